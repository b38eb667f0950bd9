"""Keeps simulated time at or behind the steady clock, and tells how far behind it fell."""

from __future__ import annotations

import time
from collections import deque

from pushcell.timing import steady_seconds

# A lag up to this is caught up with; beyond it, time is let go instead of run after.
_MAX_LAG_S = 0.05
_WINDOW = 2000


class Pacer:
    """Paces steps of simulated time against the steady clock."""

    def __init__(self) -> None:
        self._due_s = steady_seconds()
        self._history: deque[tuple[float, float]] = deque(maxlen=_WINDOW)
        self._simulated_s = 0.0

    def wait(self, step_s: float) -> None:
        """Sleep until a step just simulated is due; at once when it is overdue."""
        self._simulated_s += step_s
        self._due_s += step_s
        now = steady_seconds()
        self._history.append((now, self._simulated_s))
        if now < self._due_s:
            time.sleep(self._due_s - now)
        elif now - self._due_s > _MAX_LAG_S:
            self._due_s = now - _MAX_LAG_S

    @property
    def real_time_factor(self) -> float:
        """Simulated seconds a second over the last steps; 1 when real time is kept."""
        if len(self._history) < 2:
            return 1.0
        (now_0, simulated_0), (now_1, simulated_1) = self._history[0], self._history[-1]
        return (simulated_1 - simulated_0) / (now_1 - now_0)
