"""What is shown in a camera's place, at the camera's rate."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pushcell.closing import Closing
from pushcell.drivers.camera import CameraFrame, CameraRequest
from pushcell.errors import CameraError


class PacedCamera(Closing):
    """Plays ``images`` as fast as it was asked for; ``name`` is of what is played, for people."""

    clock = "file"

    def __init__(self, name: str, request: CameraRequest) -> None:
        self._name, self._request = name, request
        self._images: Iterator[NDArray[np.uint8]] = iter(())
        self._due_s = 0.0
        self._number = 0

    @abstractmethod
    def images(self) -> Iterator[NDArray[np.uint8]]:
        """RGB images (H, W, 3)."""

    def __enter__(self) -> PacedCamera:
        self._images = self.images()
        self._due_s = time.monotonic()
        return self

    def close(self) -> None:
        """See `Closing.close`."""
        self._images = iter(())

    def read(self, timeout_s: float) -> CameraFrame | None:
        """See `CameraDriver.read`."""
        wait_s = self._due_s - time.monotonic()
        time.sleep(min(max(wait_s, 0.0), timeout_s))
        if wait_s > timeout_s:
            return None
        image = next(self._images, None)
        if image is None:
            raise CameraError(f"{self._name} has no more images")
        self._due_s += 1.0 / self._request.rate_hz
        self._number += 1
        return CameraFrame(image, time.time(), self._number, self.clock)
