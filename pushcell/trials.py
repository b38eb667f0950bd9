"""Records of trials: one line of JSON each, and the table that people read."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from pushcell.statistics import wilson_interval


@dataclass(frozen=True)
class TrialRecord:
    """What is known of one trial when it is over."""

    trial: int
    seed: int
    policy: str
    success: bool
    reason: str
    duration_s: float
    position_error_m: float
    angle_error_rad: float
    start: tuple[float, float, float]
    video: str | None


def append_record(path: Path, record: TrialRecord) -> None:
    """Append a line and bring it to the disk, so that a crash later loses no trial."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(record)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def trials_table(records: Sequence[TrialRecord]) -> Table:
    """Every trial, and the success rate with its Wilson interval below."""
    successes = sum(record.success for record in records)
    low, high = wilson_interval(successes, len(records))
    table = Table(
        caption=f"{successes} of {len(records)} succeeded: "
        f"{successes / max(1, len(records)):.0%}, 95 % interval {low:.0%} to {high:.0%}",
        caption_style="bold",
    )
    for title in ("trial", "result", "time [s]", "position [mm]", "angle [deg]", "reason"):
        table.add_column(title, justify="left" if title in ("result", "reason") else "right")
    for record in records:
        table.add_row(
            str(record.trial),
            "[green]success[/]" if record.success else "[red]failure[/]",
            f"{record.duration_s:.1f}",
            f"{1e3 * record.position_error_m:.1f}",
            f"{math.degrees(record.angle_error_rad):.1f}",
            record.reason,
        )
    return table
