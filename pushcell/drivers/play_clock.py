"""When a report of the arm was, on the control clock: as even as the arm's own clock.

Reports are read unevenly, by a fraction of a period or several, and a simulated clock comes in
steps. Joints that are played by the moment of reading would shake.
"""

from __future__ import annotations

# The share of a new difference between the clocks that is believed at once.
_GAIN = 0.02
# A difference beyond this is a clock that was set, not a report that was read late [s].
_JUMP_S = 0.03


class PlayClock:
    """Maps the arm's time to control time; never back."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._last_s = float("-inf")

    def at(self, report_s: float, now_s: float) -> float:
        """The control time of a report with the arm's time, read now."""
        offset = now_s - report_s
        if self._offset_s is None or abs(offset - self._offset_s) > _JUMP_S:
            self._offset_s = offset
        self._offset_s += _GAIN * (offset - self._offset_s)
        return self.without_report(report_s + self._offset_s)

    def without_report(self, now_s: float) -> float:
        """The control time to play where no report tells it."""
        self._last_s = max(self._last_s, now_s)
        return self._last_s
