"""Where the time of a chunk goes: from the camera's shutter to the motion that comes of it."""

from __future__ import annotations

from collections import deque
from enum import Enum

from pushcell.timing import Distribution

_WINDOW = 500


class Stage(str, Enum):
    """A part of the way, each after the one before."""

    RECEIVE = "capture to receive"
    BEGIN = "receive to inference"
    INFER = "inference"
    PUBLISH = "inference to publish"
    MOVE = "publish to motion"
    TOTAL = "capture to motion"


class LatencyBudget:
    """The last chunks' times, stage by stage."""

    def __init__(self) -> None:
        self._durations: dict[Stage, deque[float]] = {s: deque(maxlen=_WINDOW) for s in Stage}

    def add(self, stage: Stage, duration_s: float) -> None:
        """One chunk spent so long in a stage [s]."""
        self._durations[stage].append(duration_s)

    def distribution(self, stage: Stage) -> Distribution:
        """Distribution of a stage's recent durations [s]."""
        return Distribution.of(self._durations[stage])

    def describe(self) -> dict[str, object]:
        """p50, p95 and p99 in milliseconds of every stage that has been seen."""
        found = ((stage, self.distribution(stage)) for stage in Stage)
        return {
            f"{stage.value} [ms]": " ".join(f"{1e3 * t:.1f}" for t in (d.p50, d.p95, d.p99))
            for stage, d in found
            if d.count
        }
