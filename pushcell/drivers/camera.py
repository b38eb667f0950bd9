"""What every camera driver offers: frames with the time at which they were taken."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CameraFrame:
    """One RGB image (H, W, 3) uint8.

    ``captured_s`` is on the computer's wall clock [s since 1970]; ``number`` is the camera's own
    count, where it has one; ``clock`` says who took the time; exposure and gain where told.
    """

    image: NDArray[np.uint8]
    captured_s: float
    number: int
    clock: str
    exposure_s: float | None = None
    gain: float | None = None


class CameraDriver(AbstractContextManager["CameraDriver"], Protocol):
    """A camera that takes frames; a context manager, which gives it free at its end."""

    def read(self, timeout_s: float) -> CameraFrame | None:
        """The next frame; None when there was none in time.

        Raises CameraError when the camera is gone or has no more frames.
        """


@dataclass(frozen=True)
class CameraRequest:
    """What frames are wanted."""

    width_px: int
    height_px: int
    rate_hz: float


class FrameCounter:
    """Counts what got lost, came twice, or has a time that cannot be."""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._last: CameraFrame | None = None
        self.frames = self.dropped = self.duplicated = self.backwards = 0

    def fresh(self, frame: CameraFrame) -> bool:
        """Count a frame; False when it must not be used: the last one again, or older."""
        last, self._last = self._last, frame
        if last is None:
            self.frames += 1
            return True
        if frame.number == last.number or frame.captured_s == last.captured_s:
            self.duplicated += 1
            self._last = last
            return False
        if frame.captured_s < last.captured_s:
            # The camera was started anew, or its clock jumped: the next ones are judged by it.
            self.backwards += 1
            return False
        self.frames += 1
        missed = frame.number - last.number - 1
        by_time = round((frame.captured_s - last.captured_s) / self._period_s) - 1
        # A number that was counted anew tells nothing.
        self.dropped += max(0, missed if frame.number > last.number else by_time)
        return True
