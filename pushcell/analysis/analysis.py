"""One analysis of a checkpoint: its figures, and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from pushcell.analysis.analysed_sets import AnalysedSet, analysed_sets, drawn, episodes_of
from pushcell.analysis.domain_probes import PROBES, Labelled, read_domain
from pushcell.analysis.features import EMBEDDING, LAST_ACTIVATION, FeatureReader
from pushcell.analysis.film_strip import DrawnTask, draw_film_strip, film_strip
from pushcell.analysis.nearest_chunks import nearest_chunks
from pushcell.analysis.projections import draw_projections, projections
from pushcell.errors import TrainingError
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.pose_estimator import PoseEstimator
from pushcell.training.windows import Windows

_MOST_COMPARED = 500  # windows of which the nearest chunks are counted
_MOST_DRAWN = 1000  # embeddings of each set in the picture
Figures = dict[str, Any]


@dataclass(frozen=True)
class AnalysisSettings:
    """What is asked for; ``windows`` of each data set, ``columns`` of the film strip."""

    target: str | None = None
    windows: int = 2000
    columns: int = 6
    seed: int = 0


@dataclass(frozen=True)
class Analysis:
    """The figures as plain values, and pictures by their names."""

    figures: Figures
    pictures: dict[str, Figure]


def analyse(path: Path, settings: AnalysisSettings) -> Analysis:
    """Of a checkpoint; raises TrainingError, EpisodeError or ConfigError."""
    checkpoint = Checkpoint.load(path)
    config, policy = checkpoint.train_config(path), checkpoint.averaged_policy(path)
    if config.device.threads:
        torch.set_num_threads(config.device.threads)
    if isinstance(policy, PoseEstimator):
        raise TrainingError(
            f"{path} is a pose estimator, which has no actions to analyse: name the checkpoint of "
            "the policy that uses it"
        )
    task = DrawnTask.of(config)
    sets, notes = analysed_sets(checkpoint, path, settings.target)
    reader = FeatureReader(policy, config, settings.seed)
    if LAST_ACTIVATION not in reader.names:
        notes.append(
            f"There is no probe of the last activation: a policy of kind {config.policy.kind} has "
            "no denoising network."
        )
    train = _features(reader, [(one, one.probe_train) for one in sets], settings, 0)
    test = _features(reader, [(one, one.probe_test) for one in sets], settings, 1)
    shown = np.concatenate(
        [np.flatnonzero(test.names == one.name)[:: _every(test.names, one.name)] for one in sets]
    )
    maps, missing = projections(test.values[EMBEDDING][shown].numpy(), settings.seed)
    target, sources = _parted(sets)
    judged = 2 * min(
        episodes_of(target.probe_test), sum(episodes_of(one.probe_test) for one in sources)
    )
    rows = film_strip(reader, target, sources, settings.columns)
    figures = {
        "checkpoint": str(path),
        "step": checkpoint.step,
        "policy": config.policy.kind,
        "target": target.name,
        "sources": [one.name for one in sources],
        "seed": settings.seed,
        "probes": [
            read_domain(
                name, probe, train.labelled(name), test.labelled(name), judged, settings.seed
            ).describe()
            for name in reader.names
            for probe in PROBES
        ],
        "errors": [_errors(reader, one, settings, task) for one in sets],
        "nearest": _nearest(reader, target, sources, settings),
        "film_strip": {
            title: [frame.distance and frame.distance * task.scale for frame in frames]
            for title, frames in rows.items()
        },
        "unit": task.unit,
        "notes": [*notes, *missing],
    }
    pictures = {
        "embeddings": draw_projections(maps, test.names[shown]),
        "nearest": draw_film_strip(rows, task),
    }
    return Analysis(figures, pictures)


@dataclass(frozen=True)
class _SetFeatures:
    """Features (B, D) by name; each window's set (B,), and whether that is the target (B,)."""

    values: dict[str, Tensor]
    names: NDArray[np.str_]
    is_target: Tensor

    def labelled(self, name: str) -> Labelled:
        return Labelled(self.values[name], self.is_target)


def _features(
    reader: FeatureReader,
    parts: Sequence[tuple[AnalysedSet, Windows]],
    settings: AnalysisSettings,
    stream: int,
) -> _SetFeatures:
    rng = np.random.default_rng([settings.seed, stream])
    found, names, labels = [], list[str](), list[int]()
    for one, windows in parts:
        items = drawn(windows, settings.windows, rng)
        found.append(reader.features(windows, items))
        names += [one.name] * len(items)
        labels += [int(one.is_target)] * len(items)
    values = {name: torch.cat([each[name] for each in found]) for name in reader.names}
    return _SetFeatures(values, np.array(names), torch.tensor(labels))


def _every(names: NDArray[np.str_], name: str) -> int:
    """The stride at which at most `_MOST_DRAWN` windows of a set are left."""
    return -(-int((names == name).sum()) // _MOST_DRAWN)


def _parted(sets: Sequence[AnalysedSet]) -> tuple[AnalysedSet, list[AnalysedSet]]:
    (target,) = (one for one in sets if one.is_target)
    return target, [one for one in sets if not one.is_target]


def _errors(
    reader: FeatureReader, one: AnalysedSet, settings: AnalysisSettings, task: DrawnTask
) -> Figures:
    items = drawn(one.held_out, settings.windows, np.random.default_rng([settings.seed, 2]))
    measured = reader.errors(one.held_out, items)
    return {
        "data_set": one.name,
        "windows": len(items),
        "unseen": one.unseen,
        **{name: value * task.scale for name, value in measured.items()},
    }


def _nearest(
    reader: FeatureReader,
    target: AnalysedSet,
    sources: Sequence[AnalysedSet],
    settings: AnalysisSettings,
) -> Figures:
    """Of how many of the policy's chunks in the target set a source has the nearest one."""
    count, rng = min(settings.windows, _MOST_COMPARED), np.random.default_rng([settings.seed, 3])
    items = drawn(target.held_out, count, rng)
    chunks = reader.chunks(target.held_out, items)
    found = nearest_chunks(chunks, [target, *sources], reader)
    sizes = [len(one.searched) for one in (target, *sources)]
    return {
        "windows": len(items),
        "share_of_source": float((found.which > 0).mean()),
        "source_share_of_searched": sum(sizes[1:]) / sum(sizes),
    }
