"""From a study to its cells: what each trains on, from what, and the digests of it all.

A digest covers everything that decides about a result, so a cell whose inputs did not change is
found again, and one whose inputs did is run anew. It is computed once: what is edited during a run
counts in the next one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pushcell import __version__
from pushcell.config.cell import load_cell
from pushcell.config.validation import describe
from pushcell.errors import ConfigError
from pushcell.recording.episode_info import configuration_sha256
from pushcell.shipped import CELLS
from pushcell.studies.schema import (
    NO_ALPHA,
    PLAIN,
    SOURCE,
    TARGET,
    Changes,
    Study,
    StudySet,
    Variant,
)
from pushcell.training.config import TrainConfig, load_train_config

_OF_THE_MACHINE = ("accelerator", "threads")
Point = dict[str, Any]
"""Axis -> its value, of one cell."""


@dataclass(frozen=True)
class StudyEpisodes:
    """Episodes that cells take their first ones of."""

    name: str
    spec: StudySet
    episodes: int
    cell: Path

    @cached_property
    def digest(self) -> str:
        """Of what decides about each episode, and not of their number."""
        spec = self.spec.model_dump(mode="json", exclude={"path"})
        given = None if self.spec.path is None else _contents(self.spec.path)
        return digest_of([__version__, spec, given, _cell_digest(self.cell)])

    def folder(self, out: Path) -> Path:
        """Where its episodes are."""
        spec = self.spec
        if spec.path is not None:
            return spec.path.resolve()
        return out / "sets" / f"{spec.world}-{spec.demonstrator}-{self.digest}"


@dataclass(frozen=True)
class Training:
    """One training of a cell, and of the training that its weights come from."""

    config: TrainConfig
    sets: tuple[StudyEpisodes, ...]
    start_from: Training | None = None

    @cached_property
    def digest(self) -> str:
        """Of what decides about its weights."""
        values = self.config.model_dump(mode="json")
        values["log"] = {"validation_windows": self.config.log.validation_windows}
        for key in _OF_THE_MACHINE:
            del values["device"][key]
        del values["data"]["cache"]
        for item in values["data"]["sets"]:
            known = [one.digest for one in self.sets if one.name == item["name"]]
            item["path"] = known[0] if known else _contents(Path(item["path"]))
        if self.config.task == "cell":  # its trials are those of the cell as it is now
            values["cell"] = _cell_digest(self.config.cell)
        given = values["training"]["start_from"]
        if self.start_from is not None:
            values["training"]["start_from"] = self.start_from.digest
        elif given is not None:
            values["training"]["start_from"] = _contents(Path(given))
        if estimator := values["observation"]["pose_from"]:
            values["observation"]["pose_from"] = _contents(Path(estimator))
        return digest_of([__version__, values])

    def folder(self, out: Path) -> Path:
        """Where it is kept."""
        return out / "cells" / self.digest


@dataclass(frozen=True)
class StudyCell:
    """One training to evaluate, and where it is on the grid."""

    point: Point
    training: Training
    guidance: float = 0.0

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join(f"{axis} {value}" for axis, value in self.point.items() if value != PLAIN)


def digest_of(values: Any) -> str:
    """Twelve hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def cells_of(study: Study, out: Path, changes: Changes = ()) -> list[StudyCell]:
    """Every cell once; ``changes`` are for all trainings. Raises ConfigError for what is wrong.

    Where there is only one kind of episodes, all alphas are the same cell.
    """
    grid, cells = study.grid, []
    if study.sets is None:
        for variant, seed in itertools.product(grid.variant, grid.seed):
            words = (*study.changes, *variant.changes, *changes, f"seed={seed}")
            config = load_train_config(study.train, words)
            point = {"variant": variant.name, "seed": seed}
            cells.append(_cell(study, point, Training(config, ()), variant))
        return cells
    product = itertools.product(grid.target, grid.source, grid.alpha, grid.variant, grid.seed)
    seen: set[str] = set()
    for target, source, alpha, variant, seed in product:
        if not target and not source:
            raise ConfigError("grid: target 0 with source 0 leaves nothing to learn from")
        mixed = bool(target and source)
        if not mixed and _needs_both(variant, (*study.changes, *variant.changes, *changes)):
            continue
        known = alpha if mixed and variant.pretrain is None else NO_ALPHA
        point = {
            "target": target, "source": source, "alpha": known, "variant": variant.name,
            "seed": seed,
        }  # fmt: skip
        training = _training(study, out, point, variant, changes)
        cell = _cell(study, point, training, variant)
        if cell.name not in seen:
            seen.add(cell.name)
            cells.append(cell)
    if not cells:
        raise ConfigError(
            "the grid has no cell: variants with pretrain or domains need target and source"
        )
    return cells


def _cell(study: Study, point: Point, training: Training, variant: Variant) -> StudyCell:
    """Raises ConfigError for what would fail after the training, or come to nothing."""
    config = training.config
    if variant.guidance and not (config.domains and config.domains.drop_label):
        raise ConfigError(
            f"grid.variant {variant.name!r}: guidance needs a training with domains.label and some "
            "domains.drop_label, such as 0.1"
        )
    if study.picture.y == "action_error" and not config.data.validation:
        raise ConfigError("picture.y action_error needs held-out episodes: set data.validation")
    return StudyCell(point, training, variant.guidance)


def _needs_both(variant: Variant, changes: Changes) -> bool:
    """Whether it means nothing without both target and source episodes."""
    told = [change for change in changes if change.startswith("domains")]
    has_domains = bool(told) and told[-1].partition("=")[2].strip() not in ("null", "~", "")
    return variant.pretrain is not None or has_domains


def sets_of(cells: list[StudyCell]) -> list[StudyEpisodes]:
    """The sets that cells are trained on, each as large as the largest cell needs."""
    largest: dict[str, StudyEpisodes] = {}
    for cell in cells:
        for training in (cell.training, cell.training.start_from):
            for one in training.sets if training else ():
                if one.digest not in largest or largest[one.digest].episodes < one.episodes:
                    largest[one.digest] = one
    return list(largest.values())


def _training(
    study: Study, out: Path, point: Point, variant: Variant, changes: Changes
) -> Training:
    assert study.sets is not None
    source = _source_of(study.sets.source, variant)
    specs = {SOURCE: source, TARGET: study.sets.target}
    common = (*study.changes, *variant.changes, *changes, f"seed={point['seed']}")
    if variant.pretrain is None:
        names = [name for name in (SOURCE, TARGET) if point[name]]
        return _on(study, out, {n: specs[n] for n in names}, point, common, None)
    first = _on(study, out, {SOURCE: source}, point, (*common, *variant.pretrain), None)
    checkpoint = first.folder(out) / "run" / "last.pt"
    start = (*common, f"training.start_from={json.dumps(str(checkpoint))}")
    return _on(study, out, {TARGET: specs[TARGET]}, point, start, first)


def _source_of(source: StudySet, variant: Variant) -> StudySet:
    values = {**source.model_dump(), **variant.source}
    try:
        return StudySet.model_validate(values)
    except ValidationError as error:
        why = describe(error, values)
        raise ConfigError(f"grid.variant {variant.name!r}, source: {why}") from None


def _on(
    study: Study,
    out: Path,
    specs: Mapping[str, StudySet],
    point: Point,
    changes: Changes,
    start_from: Training | None,
) -> Training:
    of_cell = tuple(change for change in changes if change.partition("=")[0] == "cell")
    cell = load_train_config(study.train, of_cell).cell
    sets = tuple(StudyEpisodes(name, spec, point[name], cell) for name, spec in specs.items())
    listed = [
        {
            "name": one.name,
            "path": str(one.folder(out)),
            "episodes": one.episodes,
            "slider": one.spec.slider,
        }
        for one in sets
    ]
    mixed = len(sets) > 1 and point["alpha"] != "natural"
    mixture = {"kind": "fixed", "target": TARGET, "alpha": point["alpha"]} if mixed else None
    data = (
        f"data.sets={json.dumps(listed)}",
        f"data.mixture={json.dumps(mixture or {'kind': 'natural'})}",
        f"data.normaliser={sets[0].name}",
        f"data.cache={json.dumps(str(out / 'cache'))}",
    )
    return Training(load_train_config(study.train, (*changes, *data)), sets, start_from)


def _cell_digest(cell: Path) -> str:
    return configuration_sha256(load_cell(CELLS.find(cell)))


def _contents(path: Path) -> Any:
    """What tells whether a file or folder has changed."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
