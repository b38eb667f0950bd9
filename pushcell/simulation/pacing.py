"""Keeps simulated time at or behind the steady clock, and with those who live by it."""

from __future__ import annotations

from collections import deque

from pushcell.timing import steady_seconds

# A lag up to this is caught up with; beyond it, time is let go: running after it would make the
# clock race ahead of every process that was kept waiting as well.
_MAX_LAG_S = 0.005
_WINDOW = 2000


class Pacer:
    """Paces steps of simulated time against the steady clock."""

    def __init__(self) -> None:
        self._due_s = steady_seconds()
        self._history: deque[tuple[float, float]] = deque(maxlen=_WINDOW)
        self._simulated_s = 0.0

    def stepped(self, step_s: float) -> None:
        """A step was simulated; it is over when `remaining` is 0."""
        now = steady_seconds()
        self._simulated_s += step_s
        self._due_s = max(self._due_s, now - _MAX_LAG_S) + step_s
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


class Lockstep:
    """Lets simulated time wait for nodes that a busy machine keeps waiting.

    A node's heartbeats say up to when it has lived. One that does not beat for ``patience_s`` of
    steady time is taken for dead or stopped, and waited for no more until it beats again.
    """

    def __init__(self, max_lead_s: float, patience_s: float) -> None:
        self._max_lead_s = max_lead_s
        self._patience_s = patience_s
        self._lived_s: dict[str, float] = {}
        self._heard_s: dict[str, float] = {}

    def heard(self, name: str, lived_s: float, now_s: float) -> None:
        """A node has lived up to a simulated time; heard of at a steady time."""
        self._lived_s[name], self._heard_s[name] = lived_s, now_s

    def waits_for(self, simulated_s: float, now_s: float) -> str | None:
        """The node that simulated time must wait for, if there is one."""
        for name, heard_s in list(self._heard_s.items()):
            if now_s - heard_s > self._patience_s:
                del self._heard_s[name], self._lived_s[name]
            elif simulated_s - self._lived_s[name] > self._max_lead_s:
                return name
        return None
