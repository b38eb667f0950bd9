"""When a report of the arm was, on the control clock: as even as the arm's own clock.

Reports are read unevenly, by a fraction of a period or several, and a simulated clock comes in
steps. Joints that are played by the moment of reading would shake.
"""

from __future__ import annotations

# The share of a new difference between the clocks that is believed at once.
_GAIN = 0.02
# By how much played time may pass faster or slower than the arm's while joints move: so much are
# their speeds off, and by twice as much from one period to the next. Clocks drift by half of it.
MAX_SLEW = 2e-4
# A difference beyond this is a clock that was set, not a report that was read late [s].
_JUMP_S = 0.03


class PlayClock:
    """Maps the arm's time to control time; never back."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._offset_s: float | None = None
        self._reported_s = self._last_s = float("-inf")
        # When something was played without a report, since the last one.
        self._silent_s: float | None = None

    def at(self, report_s: float, now_s: float, moving: bool) -> float:
        """The control time of a report with the arm's time, read now."""
        offset = now_s - report_s
        if self._offset_s is None or abs(offset - self._offset_s) > _JUMP_S:
            self._offset_s = offset
        change = _GAIN * (offset - self._offset_s)
        if moving:
            slew = MAX_SLEW * max(0.0, report_s - self._reported_s)
            change = min(max(change, -slew), slew)
        self._offset_s += change
        self._reported_s, self._silent_s = report_s, None
        self._last_s = max(self._last_s, report_s + self._offset_s)
        return self._last_s

    def without_report(self, now_s: float) -> float:
        """The control time to play where no report tells it: first the arm's next period."""
        if self._offset_s is None:
            self._last_s = max(self._last_s, now_s)
        elif self._silent_s is None:
            self._last_s += min(max(0.0, now_s - self._last_s), self._period_s)
        else:
            self._last_s += max(0.0, now_s - self._silent_s)
        self._silent_s = now_s
        return self._last_s
