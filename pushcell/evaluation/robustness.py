"""How a bundle bears a world that is shifted: the same starts under each shift, and under none.

Each condition's trials are a report of their own in the study's folder, as `pushcell evaluate
--json` writes it; what is there is not run again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from policy_server.bundle_files import read_manifest
from pushcell.command_output import write_json, write_picture
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.evaluation.comparison import Report, compare
from pushcell.evaluation.report import figures, void_reasons
from pushcell.evaluation.trial import Evaluation
from pushcell.evaluation.workers import run_trials
from pushcell.shipped import POLICIES
from pushcell.simulation.shifts import SHIFTS, VISUAL_SHIFTS, Shifts

CONTROL = "control"
_FIGURES = ("trials", "void", "successes", "success_rate", "wilson95")


@dataclass(frozen=True)
class ShiftedWorld:
    """One shift at one level; no shift is the control."""

    shift: str = ""
    level: str = ""

    @property
    def name(self) -> str:
        """Of its report's file."""
        return f"{self.shift}_{self.level}" if self.shift else CONTROL

    @property
    def shifts(self) -> Shifts:
        """What the world is shifted by."""
        return Shifts({self.shift: self.level} if self.shift else {})


def conditions(cell: CellConfig, sees_images: bool, wanted: Iterable[str]) -> list[ShiftedWorld]:
    """The control, and all levels of the wanted shifts (NAME, or NAME=LEVEL; none: all there are).

    Left out are levels that shift nothing, and shifts of pictures for a policy without cameras.
    Raises ConfigError for an unknown shift or level.
    """
    names = [name for name in SHIFTS if sees_images or name not in VISUAL_SHIFTS]
    none = {**dict.fromkeys(SHIFTS, "1"), "object": cell.task.slider}
    del none["colour_randomisation"]  # the target world has none of it
    found = [ShiftedWorld()]
    for word in tuple(wanted) or tuple(names):
        name, given, level = word.replace("-", "_").partition("=")
        if given or name not in SHIFTS:
            Shifts({name: level})
        if name not in names:
            raise ConfigError(f"the policy sees no images: there is nothing to shift by {name}")
        levels = (level,) if given else SHIFTS[name]
        found += [ShiftedWorld(name, one) for one in levels if given or one != none.get(name)]
    return list(dict.fromkeys(found))


class RobustnessStudy:
    """The trials of one bundle under some conditions, in a folder."""

    def __init__(
        self,
        cell: CellConfig,
        policy: str,
        seeds: range,
        time_step_s: float | None,
        wanted: Iterable[str],
    ) -> None:
        """Raises ConfigError or BundleError for what cannot be run."""
        manifest = read_manifest(POLICIES.find(policy))
        self.policy, self.seeds = policy, seeds
        self.conditions = conditions(cell, manifest.has_cameras, wanted)
        self.settings = {
            "sha256": manifest.sha256,
            "cell_sha256": hashlib.sha256(cell.model_dump_json().encode()).hexdigest(),
            "time_step_s": time_step_s or cell.simulated.physics.time_step_s,
            "seeds": [seeds.start, seeds.stop],
        }
        """What all of its trials have in common."""
        self._evaluations = {
            one: Evaluation(cell, policy, "target", time_step_s, shifts=one.shifts)
            for one in self.conditions
        }

    def run(self, workers: int, folder: Path) -> Iterator[tuple[ShiftedWorld, dict[str, Any]]]:
        """Each condition with its report, the control first.

        Raises ConfigError for a folder of another study, and where all trials are void.
        """
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--out {folder} is a file, and must be a folder")
        folder.mkdir(parents=True, exist_ok=True)
        for condition, evaluation in self._evaluations.items():
            path = folder / f"{condition.name}.json"
            report = self._known(path)
            if report is None:
                trials = list(run_trials(evaluation, self.seeds, workers))
                if all(trial.void for trial in trials):
                    raise ConfigError(
                        f"{condition.name}: all trials were void: {void_reasons(trials)}"
                    )
                report = {**figures(evaluation, trials), **self.settings}
                partial = path.with_name(f"{path.name}.partial")
                write_json(report, partial)
                os.replace(partial, path)
            yield condition, report

    def _known(self, path: Path) -> dict[str, Any] | None:
        if not path.exists():
            return None
        report = dict(Report.load(path).values)
        for key, value in self.settings.items():
            if report.get(key) != value:
                raise ConfigError(
                    f"{path} is of another study, with {key} {report.get(key)} and not {value}: "
                    "choose another --out"
                )
        return report


def card(study: RobustnessStudy, reports: dict[ShiftedWorld, dict[str, Any]]) -> dict[str, Any]:
    """A row for each condition, with its difference from the control on the starts of both."""
    rows = []
    for condition, report in reports.items():
        control = Report(CONTROL, reports[ShiftedWorld()])
        told = compare(*_paired(control, Report(condition.name, report))).describe()
        rows.append(
            {
                "shift": condition.shift,
                "level": condition.level,
                **{key: report[key] for key in _FIGURES},
                **{key: told[key] for key in ("difference", "interval95", "p")},
            }
        )
    return {"policy": study.policy, **study.settings, "conditions": rows}


def _paired(a: Report, b: Report) -> tuple[Report, Report]:
    """Both without the trials that are void in one of them."""

    def only_both(report: Report) -> Report:
        both = [
            trial for seed, trial in report.trials.items() if seed in a.trials and seed in b.trials
        ]
        return Report(report.name, {**report.values, "per_trial": both})

    return only_both(a), only_both(b)


def table(shown: dict[str, Any]) -> Table:
    """The card for people."""
    result = Table(title=f"{shown['policy']} in shifted target worlds, the same starts in each")
    for title in ("shift", "success", "95 % interval", "difference", "p"):
        result.add_column(title, justify="left" if title == "shift" else "right")
    for row in shown["conditions"]:
        (low, high), (less, more) = row["wilson95"], row["interval95"]
        result.add_row(
            f"{row['shift']} = {row['level']}" if row["shift"] else CONTROL,
            f"{row['successes']} of {row['trials']}"
            + (f", {row['void']} void" if row["void"] else ""),
            f"{low:.0%} to {high:.0%}",
            f"{row['difference']:+.0%} [{less:+.0%}, {more:+.0%}]" if row["shift"] else "",
            f"{row['p']:.2g}" if row["shift"] else "",
        )
    return result


def draw(shown: dict[str, Any], picture: Path) -> None:
    """Success with its interval under each shift and level, beside that of the control."""
    control, *rows = shown["conditions"]
    names = list(dict.fromkeys(row["shift"] for row in rows))
    figure = Figure(figsize=(2.4 * len(names) + 1, 3.6), layout="constrained")
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(grid, names, strict=False):
        mine = [row for row in rows if row["shift"] == name]
        rates = np.array([row["success_rate"] for row in mine])
        low, high = np.array([row["wilson95"] for row in mine]).T
        spread = np.clip([rates - low, high - rates], 0, None)
        axes.errorbar(range(len(mine)), rates, spread, fmt="o", capsize=3)
        axes.axhspan(*control["wilson95"], color="grey", alpha=0.2, linewidth=0)
        axes.axhline(control["success_rate"], color="grey", linewidth=0.8, label=CONTROL)
        axes.set_xticks(range(len(mine)), [row["level"] for row in mine], fontsize=7)
        axes.set(title=name.replace("_", " "), ylim=(0, 1.02), xlim=(-0.5, len(mine) - 0.5))
        axes.grid(axis="y", alpha=0.3)
    grid[0].set_ylabel("success")
    grid[0].legend(fontsize="small", loc="lower left")
    figure.suptitle(f"{shown['policy']}: {control['trials']} starts, the same in every world")
    write_picture(figure, picture)
