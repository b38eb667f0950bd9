"""Times of a clock that somebody may set back, carried on as if nobody had."""

from __future__ import annotations

from collections.abc import Callable

# What came so shortly before another is out of order, not of another time [ns].
UNORDERED_NS = 10**8


class OnwardClock:
    """``clock_ns`` is read whenever a time is asked for; ``set_back_ns`` is by how much it went
    back in all."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._newest_ns = clock_ns()
        self._before_ns = 0  # what was added before it was set back last
        self.set_back_ns = 0

    def now(self) -> int:
        """The time now [ns]."""
        now_ns = self._clock_ns()
        if now_ns < self._newest_ns - UNORDERED_NS:
            self._before_ns = self.set_back_ns
            self.set_back_ns += self._newest_ns - now_ns
            self._newest_ns = now_ns
        self._newest_ns = max(self._newest_ns, now_ns)
        return now_ns + self.set_back_ns

    def at(self, time_ns: int) -> int:
        """A time of the clock that has just been, perhaps before it was set back."""
        now_ns = self.now() - self.set_back_ns
        before = time_ns > now_ns + UNORDERED_NS
        return time_ns + (self._before_ns if before else self.set_back_ns)
