"""The command stream of a rollout while each chunk of the policy takes 200 ms, and while none does.

The guard refuses observations that old, as it should; here its limit is raised in the cell's file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.graph import DOMAIN, measure
from benchmarks.rollout_process import ROOT, rollout

BUNDLE = "bundles/target_state"
DELAYS_S = (0.0, 0.2)
AGE_S = 0.5


def run() -> dict[str, Any]:
    """A rollout of each delay, listened to for a while."""
    with tempfile.TemporaryDirectory() as folder:
        cell = Path(folder) / "cell.yaml"
        text = (ROOT / "config" / "cell.sim.yaml").read_text()
        cell.write_text(text.replace("observation_age_s: 0.15", f"observation_age_s: {AGE_S}"))
        return {"delays": {str(delay_s): _figures(cell, delay_s) for delay_s in DELAYS_S}}


def table(figures: dict[str, Any]) -> Table:
    """A row a delay."""
    shown = Table(title="commands to the arm while chunks take long")
    for title in ("delay [s]", "commands", "period p50 [ms]", "p99", "max", "late ticks"):
        shown.add_column(title, justify="right")
    for delay, found in figures["delays"].items():
        stream = found["streams"]["command period"]
        periods = (f"{1e3 * stream[key]:.1f}" for key in ("p50", "p99", "max"))
        shown.add_row(delay, str(stream["count"]), *periods, str(found["missed_ticks"]))
    return shown


def _figures(cell: Path, delay_s: float) -> dict[str, Any]:
    words = (f"cell:={cell}", f"policy:={BUNDLE}", f"delay_s:={delay_s}", "trials:=99")
    with rollout(DOMAIN, *words, "video:=false", "live_view:=false") as running:
        return measure(running)
