"""Kills a recording process with -9 at random moments: what is missing after its recovery."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.killed_recorder import kill_and_recover
from pushcell.timing import Distribution

KILLS = 20
PICTURE = (480, 640)


def run() -> dict[str, Any]:
    """Kill one process after the other, each with a seed of its own."""
    lost, holes = [], 0
    for seed in range(KILLS):
        with tempfile.TemporaryDirectory() as name:
            killed = kill_and_recover(Path(name), seed, PICTURE)
        lost.append(killed.lost_s)
        expected = {tuple(message) for message in killed.published[: len(killed.kept)]}
        holes += len(expected - set(killed.kept))
    spread = Distribution.of(lost)
    return {
        "kills": KILLS,
        "lost_s": sorted(lost),
        "lost_p50_s": spread.p50,
        "lost_max_s": spread.max,
        "holes": holes,
    }


def table(figures: dict[str, Any]) -> Table:
    """The distribution, and what is missing besides."""
    shown = Table(title=f"{figures['kills']} kills of a recording", show_header=False)
    shown.add_row("seconds lost", " ".join(f"{value:.2f}" for value in figures["lost_s"]))
    shown.add_row("median, most", f"{figures['lost_p50_s']:.2f} {figures['lost_max_s']:.2f}")
    shown.add_row("messages missing before that", str(figures["holes"]))
    return shown


def good(figures: dict[str, Any]) -> bool:
    """At most the last second is missing, and nothing else."""
    return figures["lost_max_s"] <= 1.0 and not figures["holes"]
