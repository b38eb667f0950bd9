"""Steady time, buffers ordered by capture stamp, and statistics of periods and latencies.

Times are seconds as ``float``: of the steady clock for control, of the ROS clock for stamps.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


def steady_seconds() -> float:
    """The clock for control: it never jumps and has no epoch."""
    return time.monotonic_ns() * 1e-9


class StampedBuffer(Generic[T]):
    """The newest samples of one stream, ordered by capture stamp.

    Samples that do not come after the newest one are refused and counted, because a stream
    that goes back in time is a fault of its source that must not be mended silently.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a buffer needs a capacity of at least 1, not {capacity}")
        self._capacity = capacity
        self._stamps: list[float] = []
        self._samples: list[T] = []
        self._forgotten = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._stamps)

    def push(self, stamp_s: float, sample: T) -> bool:
        """Add a sample; False when its stamp is not later than the newest one."""
        if self._stamps and stamp_s <= self._stamps[-1]:
            self.refused += 1
            return False
        self._stamps.append(stamp_s)
        self._samples.append(sample)
        if len(self._stamps) > self._capacity:
            del self._stamps[0], self._samples[0]
            self._forgotten += 1
        return True

    def newest(self) -> tuple[float, T] | None:
        """The newest (stamp, sample), or None while empty."""
        return (self._stamps[-1], self._samples[-1]) if self._stamps else None

    def last_before(self, stamp_s: float, max_age_s: float) -> tuple[float, T] | None:
        """The last (stamp, sample) at or before a time, unless it is older than ``max_age_s``."""
        index = bisect_right(self._stamps, stamp_s) - 1
        if index < 0 or stamp_s - self._stamps[index] > max_age_s:
            return None
        return self._stamps[index], self._samples[index]

    def oldest_after(self, stamp_s: float) -> tuple[float, T] | None:
        """The first (stamp, sample) ever, if it came after a time and is still there."""
        if not self._stamps or self._forgotten or self._stamps[0] <= stamp_s:
            return None
        return self._stamps[0], self._samples[0]


@dataclass(frozen=True)
class Distribution:
    """Percentiles of a set of durations [s]; all zero when there were none."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, durations_s: list[float] | deque[float]) -> Distribution:
        """Summarise durations [s]."""
        if not durations_s:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        values = np.asarray(durations_s)
        p50, p95, p99 = (float(v) for v in np.percentile(values, [50, 95, 99]))
        return cls(len(values), float(values.mean()), p50, p95, p99, float(values.max()))


class GridTick:
    """Calls back at a rate of a time that is heard of: at multiples of the period, plus a phase.

    The grid is that of time itself, not of when it was first heard of, so that it is the same in
    every process. Whole nanoseconds: no multiple is missed by rounding.
    """

    def __init__(self, rate_hz: float, phase_ns: int, callback: Callable[[], None]) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._phase_ns = phase_ns
        self._callback = callback
        self._index: int | None = None
        self.next_ns = 0

    def heard(self, now_ns: int) -> None:
        """It is so late now; calls back where that is due, once however much time was missed."""
        index = (now_ns - self._phase_ns) // self._period_ns
        self.next_ns = (index + 1) * self._period_ns + self._phase_ns
        if index != self._index:
            self._index = index
            self._callback()


def is_older(now_s: float, stamp_s: float, limit_s: float) -> bool:
    """Whether a stamp is more than ``limit_s`` old, compared in whole nanoseconds.

    Ages on the grid of simulated time are often equal to their limit; as differences of floats
    they would be a little above or below it by chance.
    """
    return age_ns(now_s, stamp_s) > limit_s * 1e9


def age_ns(now_s: float, stamp_s: float) -> float:
    """How old a stamp is, in whole nanoseconds; infinite for a stamp that was never given."""
    age_s = now_s - stamp_s
    return float(round(age_s * 1e9)) if math.isfinite(age_s) else math.inf


class PeriodMonitor:
    """Rate and staleness of one repeating event on the steady clock."""

    def __init__(self, window: int = 1000) -> None:
        self._periods: deque[float] = deque(maxlen=window)
        self._last: float | None = None
        self.count = 0

    def tick(self, now_s: float) -> None:
        """The event happened now."""
        if self._last is not None:
            self._periods.append(now_s - self._last)
        self._last = now_s
        self.count += 1

    def age(self, now_s: float) -> float:
        """Seconds since the last event; infinite before the first."""
        return float("inf") if self._last is None else now_s - self._last

    def periods(self) -> Distribution:
        """Distribution of the periods in the window [s]."""
        return Distribution.of(self._periods)

    def rate_hz(self) -> float:
        """Mean rate over the window; 0 before two events."""
        mean = self.periods().mean
        return 1.0 / mean if mean > 0 else 0.0
