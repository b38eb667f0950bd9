"""How long it takes from a press on the picture until the pusher is commanded to move."""

from __future__ import annotations

from collections import deque

import numpy as np

from pushcell.geometry import Array
from pushcell.timing import Distribution

_MOVED_M = 1e-6
_FORGOTTEN_S = 2.0
_WINDOW = 50


class PressLatency:
    """Fed with presses and with the commanded tip; one figure a press that moved a resting arm."""

    def __init__(self) -> None:
        self._held = False
        self._pressed_s: float | None = None
        self._rest: Array | None = None
        self._latencies_s: deque[float] = deque(maxlen=_WINDOW)

    def on_input(self, now_s: float, pressed: bool) -> None:
        """The page said whether a place is pressed."""
        if pressed and not self._held:
            self._pressed_s, self._rest = now_s, None
        self._held = pressed

    def on_commanded(self, now_s: float, tip: Array) -> None:
        """The tip is commanded to (2,) [m]."""
        if self._pressed_s is None:
            return
        if self._rest is None:
            self._rest = tip
        elif np.linalg.norm(tip - self._rest) > _MOVED_M:
            self._latencies_s.append(now_s - self._pressed_s)
            self._pressed_s = None
        elif now_s - self._pressed_s > _FORGOTTEN_S:
            self._pressed_s = None

    def distribution(self) -> Distribution:
        """Of the last presses [s]."""
        return Distribution.of(self._latencies_s)
