"""A camera's pictures: whether they show anything, and whether they change when something moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pushcell.config.recording import QualityConfig
from pushcell.recording.quality_report import QualityFinding, judged

_STRIDE = 4  # pixels in each direction


class PictureCheck:
    """Looks at a few pictures a second."""

    def __init__(self, camera: str, limits: QualityConfig, rate_hz: float) -> None:
        self._camera, self._limits = camera, limits
        self._period_ns = round(1e9 / rate_hz)
        self._due_ns = 0
        self._last: NDArray[np.uint8] | None = None
        self._way_at_change_m = 0.0
        self.looked_at = self.black = 0
        self.frozen_m = 0.0

    def due(self, log_ns: int) -> bool:
        """Whether the next picture is to be looked at."""
        if log_ns < self._due_ns:
            return False
        self._due_ns = log_ns + self._period_ns
        return True

    def on_picture(self, image: NDArray[np.uint8], pusher_way_m: float) -> None:
        """A picture (H, W, 3), and how far the pusher has come since the start."""
        seen = image[::_STRIDE, ::_STRIDE].copy()
        self.looked_at += 1
        self.black += bool(seen.max() <= self._limits.black_level)
        if self._last is None or not np.array_equal(seen, self._last):
            self._last, self._way_at_change_m = seen, pusher_way_m
        self.frozen_m = max(self.frozen_m, pusher_way_m - self._way_at_change_m)

    def findings(self) -> list[QualityFinding]:
        """What is wrong with the pictures so far."""
        text = (
            f"camera {self._camera}: the same picture while the pusher went "
            f"{100 * self.frozen_m:.0f} cm: it is frozen"
        )
        found = judged(self._limits.frozen_m, self.frozen_m, text)
        if self.looked_at:
            share = self.black / self.looked_at
            text = f"camera {self._camera}: {100 * share:.0f} % of its pictures are black"
            found += judged(self._limits.black, share, text)
        return found
