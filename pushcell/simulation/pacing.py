"""Keeps simulated time at or behind the steady clock, or behind a multiple of it."""

from __future__ import annotations

import math
from collections import deque

from pushcell.errors import ConfigError
from pushcell.timing import steady_seconds

# A lag up to this is caught up with; beyond it, time is let go.
_MAX_LAG_S = 0.5
_WINDOW = 2000


def parse_rate(text: str) -> float:
    """Simulated seconds in a real one, from a number or ``max``; raises ConfigError."""
    if text == "max":
        return math.inf
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise ConfigError(f"rate is a number above 0, or max, not {text!r}")
    return rate


class Pacer:
    """Paces steps of simulated time: ``rate`` simulated seconds in a steady one, or fewer."""

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate
        self._due_s = steady_seconds()
        self._history: deque[tuple[float, float]] = deque(maxlen=_WINDOW)
        self._simulated_s = 0.0

    def stepped(self, step_s: float) -> None:
        """A step was simulated; it is over when `remaining_s` is 0."""
        now = steady_seconds()
        self._simulated_s += step_s
        self._due_s = max(self._due_s, now - _MAX_LAG_S) + step_s / self.rate
        self._history.append((now, self._simulated_s))

    @property
    def remaining_s(self) -> float:
        """Seconds until the next step is due; 0 when it is."""
        return max(0.0, self._due_s - steady_seconds())

    @property
    def real_time_factor(self) -> float:
        """Simulated seconds a second over the last steps; 1 when real time is kept."""
        if len(self._history) < 2:
            return 1.0
        (now_0, simulated_0), (now_1, simulated_1) = self._history[0], self._history[-1]
        return (simulated_1 - simulated_0) / (now_1 - now_0)
