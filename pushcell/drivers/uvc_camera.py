"""USB video class cameras through OpenCV and V4L2."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np

from pushcell.closing import Closing
from pushcell.drivers.camera import CameraFrame, CameraRequest
from pushcell.errors import CameraError

_MANUAL, _STALE_S = 1, 5.0


class UvcCamera(Closing):
    """One device such as ``/dev/video0``; ``exposure_us`` locks the exposure."""

    def __init__(self, device: str, request: CameraRequest, exposure_us: int | None = None) -> None:
        self._device, self._request, self._exposure_us = device, request, exposure_us
        self._capture: cv2.VideoCapture | None = None
        self._number = 0

    def __enter__(self) -> UvcCamera:
        path = Path(self._device)
        if not path.exists():
            there = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
            raise CameraError(f"there is no camera {path}; there are: {there}")
        if not os.access(path, os.R_OK | os.W_OK):
            raise CameraError(f"{path} may not be opened: add yourself to the group video")
        capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            raise CameraError(
                f"{path} cannot be opened: another program has it, or it is no camera"
            )
        self._capture = capture
        self._set_up(capture)
        return self

    def close(self) -> None:
        """See `Closing.close`."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def read(self, timeout_s: float) -> CameraFrame | None:
        """See `CameraDriver.read`; V4L2 itself gives up after ten seconds."""
        assert self._capture is not None, "used outside of its context"
        if not self._capture.grab():
            raise CameraError(f"{self._device} gives no frames any more: is its cable loose?")
        grabbed_s = time.time()
        good, image = self._capture.retrieve()
        if not good:
            return None
        self._number += 1
        captured_s, clock = self._stamp(grabbed_s)
        return CameraFrame(np.ascontiguousarray(image[:, :, ::-1]), captured_s, self._number, clock)

    def _stamp(self, grabbed_s: float) -> tuple[float, str]:
        """The driver's own time of the frame where it tells one that can be, else its arrival."""
        assert self._capture is not None
        monotonic_s = 1e-3 * self._capture.get(cv2.CAP_PROP_POS_MSEC)
        age_s = time.monotonic() - monotonic_s
        if 0 <= age_s < _STALE_S:
            return grabbed_s - age_s, "driver"
        return grabbed_s, "arrival"

    def _set_up(self, capture: cv2.VideoCapture) -> None:
        wanted = self._request
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, wanted.width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, wanted.height_px)
        capture.set(cv2.CAP_PROP_FPS, wanted.rate_hz)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        size = (
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        if size != (wanted.width_px, wanted.height_px):
            raise CameraError(
                f"{self._device} gives {size[0]}x{size[1]}, not {wanted.width_px}x"
                f"{wanted.height_px}: ask for a size that it has (v4l2-ctl --list-formats-ext)"
            )
        if self._exposure_us is not None:
            capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL)
            if not capture.set(cv2.CAP_PROP_EXPOSURE, self._exposure_us / 100):
                raise CameraError(f"{self._device} does not let its exposure be set: leave it out")
