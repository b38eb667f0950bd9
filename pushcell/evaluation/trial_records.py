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

from pushcell.evaluation.statistics import wilson_interval
from pushcell.task import Judgement
from pushcell.timing import steady_seconds


@dataclass(frozen=True)
class ChunkTally:
    """What became of a policy's chunks; ``worst`` is why the last one that was lost was lost."""

    accepted: int = 0
    dropped: int = 0
    failed: int = 0
    worst: str = ""

    def with_one(self, outcome: str, reason: str) -> ChunkTally:
        """One chunk more, of an outcome that is one of the counts here."""
        counts = {outcome: getattr(self, outcome) + 1}
        return dataclasses.replace(self, worst=reason or self.worst, **counts)

    @property
    def total(self) -> int:
        """How many came."""
        return self.accepted + self.dropped + self.failed

    def __str__(self) -> str:
        if not self.total:
            return ""
        lost = [
            f"{count} {what}" for what in ("dropped", "failed") if (count := getattr(self, what))
        ]
        why = f", {' and '.join(lost)} ({self.worst})" if lost else ""
        return f"{self.accepted} of {self.total} chunks accepted{why}"


@dataclass(frozen=True)
class TrialRecord:
    """What is known of one trial when it is over.

    One that is ``void`` says nothing about the policy: ``reason`` tells who ended or hung.
    """

    trial: int
    seed: int
    policy: str
    success: bool
    reason: str
    duration_s: float  # of simulated time
    position_error_m: float | None  # None of a void trial
    angle_error_rad: float | None
    start: tuple[float, float, float]
    video: str | None
    chunks: ChunkTally = ChunkTally()
    stamp_ns: int = 0  # ROS time at which the policy was let drive
    real_s: float = 0.0  # with homing and placing
    void: bool = False

    @property
    def told(self) -> str:
        """In one sentence."""
        if self.void:
            return f"void: {self.reason}"
        outcome = "success" if self.success else "failure"
        chunks = f"; {self.chunks}" if self.chunks.total else ""
        return f"{outcome} after {self.duration_s:.2f} s: {self.reason}{chunks}"


class TrialProgress:
    """Says every few seconds of real time how far a trial is."""

    def __init__(self, began_s: float, period_s: float = 5.0) -> None:
        """``began_s``: when the trial began, simulated [s]."""
        self._began_s = self._simulated_s = began_s
        self._began_real_s = self._real_s = steady_seconds()
        self._period_s = period_s

    def line(self, now_s: float, judgement: Judgement, chunks: ChunkTally) -> str:
        """What to say at a simulated time [s]; empty until it is time to say something again."""
        real_s = steady_seconds()
        if real_s - self._real_s < self._period_s:
            return ""
        factor = (now_s - self._simulated_s) / (real_s - self._real_s)
        self._simulated_s, self._real_s = now_s, real_s
        return (
            f"{now_s - self._began_s:.1f} s simulated in {real_s - self._began_real_s:.1f} s "
            f"({factor:.2f} of real time), slider {1e3 * judgement.position_error_m:.0f} mm and "
            f"{math.degrees(judgement.angle_error_rad):.0f} deg from its goal"
            f"{f', {chunks}' if chunks.total else ''}"
        )


def append_record(path: Path, record: TrialRecord) -> None:
    """Append a line and bring it to the disk, so that a crash later loses no trial."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(record)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def trials_table(records: Sequence[TrialRecord], title: str | None = None) -> Table:
    """Every trial, and the success rate with its Wilson interval below."""
    successes = sum(record.success for record in records)
    low, high = wilson_interval(successes, len(records))
    table = Table(
        title=title,
        caption=f"{successes} of {len(records)} succeeded: "
        f"{successes / max(1, len(records)):.0%}, 95 % interval {low:.0%} to {high:.0%}",
        caption_style="bold",
    )
    for title in ("trial", "result", "time [s]", "mm", "deg", "chunks", "reason"):
        table.add_column(title, justify="left" if title in ("result", "reason") else "right")
    for record in records:
        table.add_row(
            str(record.trial),
            "[green]success[/]" if record.success else "[red]failure[/]",
            f"{record.duration_s:.1f}",
            _scaled(record.position_error_m, 1e3),
            _scaled(record.angle_error_rad, 180 / math.pi),
            f"{record.chunks.accepted}/{record.chunks.total}" if record.chunks.total else "",
            record.reason,
        )
    return table


def _scaled(value: float | None, scale: float) -> str:
    return "" if value is None else f"{scale * value:.1f}"
