"""How well a way was driven again, and again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from rich.table import Table

from pushcell.geometry import Array
from pushcell.replay.result import Track
from pushcell.replay.trajectory import Trajectory

_RATE_HZ = 50.0


class Repeatability:
    """Runs of one trajectory; each is a track whose times count from the trajectory's beginning."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._times = np.arange(0.0, trajectory.end_s - trajectory.start_s, 1 / _RATE_HZ)
        self._wanted = trajectory.starting_at(0.0).positions(self._times)
        self.stops: list[str] = []
        self._runs: list[Array] = []

    def add(self, run: Track) -> None:
        """The measured pusher of one run."""
        self._runs.append(run.at(self._times))

    def figures(self) -> dict[str, Any]:
        """Distances [m]: of each run from the recording, and of the runs from each other."""
        runs = [_distances(run, self._wanted) for run in self._runs]
        pairs = [_distances(a, b) for a, b in combinations(self._runs, 2)]
        return {
            "runs": runs,
            "between_runs": pairs,
            "stops": self.stops,
            "seconds": float(len(self._times) / _RATE_HZ),
        }


def table(figures: dict[str, Any]) -> Table:
    """One row a run, and one for the runs among each other."""
    shown = Table(title=f"{figures['seconds']:.1f} s driven again, from the recorded pusher")
    for title in ("run", "p50 [mm]", "p95 [mm]", "max [mm]"):
        shown.add_column(title, justify="right")
    for k, run in enumerate(figures["runs"]):
        shown.add_row(str(k), *_mm(run))
    for pair in _worst(figures["between_runs"]):
        shown.add_row("between runs, worst", *_mm(pair))
    for stop in figures["stops"]:
        shown.add_row("[red]stopped[/]", stop, "", "")
    return shown


def _worst(pairs: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    return sorted(pairs, key=lambda pair: pair["p95"])[-1:]


def _mm(run: dict[str, float]) -> list[str]:
    return [f"{1e3 * run[key]:.2f}" for key in ("p50", "p95", "max")]


def _distances(a: Array, b: Array) -> dict[str, float]:
    off = np.linalg.norm(a - b, axis=1)
    off = off[np.isfinite(off)]
    if not len(off):
        return {"p50": float("inf"), "p95": float("inf"), "max": float("inf")}
    p50, p95 = np.percentile(off, [50, 95])
    return {"p50": float(p50), "p95": float(p95), "max": float(off.max())}
