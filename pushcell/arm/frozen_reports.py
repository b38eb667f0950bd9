"""Notices an arm whose reports keep coming but whose joints do not change any more.

No real joint measures exactly the same, to the last bit, while it moves. What repeats its last
positions, with new stamps, is a driver or a network that has lost the arm.
"""

from __future__ import annotations

import numpy as np

from pushcell.geometry import Array

# How far the joints are commanded before their standstill is strange [rad].
_MOVED_RAD = 0.01
# Longer than a controller needs to begin a motion, beyond the configured latency [s].
_PATIENCE_S = 0.1


class FrozenReports:
    """Fed with each measured position (n,) and what is commanded at that time (n,), ``period_s``
    apart."""

    def __init__(self, period_s: float, latency_s: float) -> None:
        self._most = (_PATIENCE_S + latency_s) / period_s
        self._measured: Array | None = None
        self._commanded: Array = np.empty(0)
        self._strange = 0

    def seen(self, measured: Array, commanded: Array) -> bool:
        """Whether the reports have been frozen for too long."""
        if self._measured is None or not np.array_equal(measured, self._measured):
            self._measured, self._commanded, self._strange = measured, commanded, 0
        elif np.abs(commanded - self._commanded).max() > _MOVED_RAD:
            self._strange += 1
        return self._strange > self._most
