"""A camera that is opened again when it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable

from pushcell.closing import Closing
from pushcell.drivers.camera import CameraDriver, CameraFrame
from pushcell.errors import CameraError


class ReconnectingCamera(Closing):
    """Wraps whatever ``find`` gives; ``problem`` is why there are no frames, in words, or None."""

    def __init__(self, find: Callable[[], CameraDriver], pause_s: float = 1.0) -> None:
        self._find, self._pause_s = find, pause_s
        self._camera: CameraDriver | None = None
        self._retry_s = 0.0
        self.problem: str | None = None
        self.reconnected = 0

    def __enter__(self) -> ReconnectingCamera:
        # The first time must succeed: a camera that was never there is a mistake.
        self._camera = self._find().__enter__()
        return self

    def close(self) -> None:
        """See `Closing.close`."""
        if self._camera is not None:
            camera, self._camera = self._camera, None
            camera.__exit__(None, None, None)

    def read(self, timeout_s: float) -> CameraFrame | None:
        """The next frame; None when there was none in time, also while the camera is gone."""
        try:
            if self._camera is None:
                if time.monotonic() < self._retry_s:
                    time.sleep(min(timeout_s, self._pause_s))
                    return None
                self._camera = self._find().__enter__()
                self.reconnected += 1
            frame = self._camera.read(timeout_s)
        except CameraError as error:
            self.problem = str(error)
            self.close()
            self._retry_s = time.monotonic() + self._pause_s
            return None
        if frame is not None:
            self.problem = None
        return frame
