"""Whether what a page says is held was said just now, or long ago on a line with a queue."""

from __future__ import annotations

from teleop.console.messages import OperatorInput

# The page's estimate of the server's clock is late by no more than the clocks' resolution.
_AHEAD_MS = 5.0


class HoldDelay:
    """Of one page. A hold that came late counts again only after it was let go."""

    def __init__(self, limit_s: float) -> None:
        self._limit_ms = 1e3 * limit_s
        self._spent = False

    def counts(self, operator_input: OperatorInput, now_ms: float) -> bool:
        """Whether a held deadman is one, at a time of the server's clock."""
        self._spent = operator_input.holding and (
            self._spent or self._late(operator_input.said_ms, now_ms)
        )
        return not self._spent

    def _late(self, said_ms: float | None, now_ms: float) -> bool:
        return said_ms is None or not -_AHEAD_MS <= now_ms - said_ms <= self._limit_ms
