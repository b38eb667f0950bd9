"""When a report of the arm was, on the control clock: as even as the arm's own clock.

Reports are read unevenly, by a fraction of a period or several, and a simulated clock comes in
steps. Joints that are played by the moment of reading would shake.
"""

from __future__ import annotations

# The share of a new difference between the clocks that is believed at once, and by how much played
# time may pass faster or slower than the arm's: so much are the joints' speeds off, at the most.
_GAIN, _MAX_SLEW = 0.02, 0.001
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

    def at(self, report_s: float, now_s: float) -> float:
        """The control time of a report with the arm's time, read now."""
        offset = now_s - report_s
        if self._offset_s is None or abs(offset - self._offset_s) > _JUMP_S:
            self._offset_s = offset
        slew = _MAX_SLEW * max(0.0, min(report_s - self._reported_s, _JUMP_S))
        self._offset_s += min(max(_GAIN * (offset - self._offset_s), -slew), slew)
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
