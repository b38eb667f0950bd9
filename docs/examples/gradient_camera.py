"""A camera that this project does not know: pictures that get brighter from left to right.

PYTHONPATH=docs/examples pushcell_ros' camera_node with driver:=gradient_camera:open_camera
"""

from __future__ import annotations

import time

import numpy as np

from pushcell.drivers.camera import CameraFrame, CameraRequest


class GradientCamera:
    """Implements `pushcell.drivers.camera.CameraDriver`."""

    def __init__(self, device: str, request: CameraRequest) -> None:
        row = np.linspace(0, 255, request.width_px).astype(np.uint8)
        self._image = np.broadcast_to(row[None, :, None], (request.height_px, request.width_px, 3))
        self._period_s = 1.0 / request.rate_hz
        self._due_s = time.monotonic()
        self._number = 0
        self._clock = f"gradient {device}"

    def __enter__(self) -> GradientCamera:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def read(self, timeout_s: float) -> CameraFrame | None:
        """The next frame, stamped with the time at which it was taken."""
        wait_s = self._due_s - time.monotonic()
        time.sleep(max(0.0, min(wait_s, timeout_s)))
        if wait_s > timeout_s:
            return None
        self._due_s += self._period_s
        self._number += 1
        return CameraFrame(self._image.copy(), time.time(), self._number, self._clock)


def open_camera(device: str, request: CameraRequest) -> GradientCamera:
    """What `camera_node` calls; raise `CameraError` in one sentence where there is no camera."""
    return GradientCamera(device, request)
