"""A video or a folder of images in a camera's place, at the camera's rate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.closing import Closing
from pushcell.drivers.camera import Frame, Request
from pushcell.errors import CameraError

_IMAGES = (".png", ".jpg", ".jpeg")


class FileCamera(Closing):
    """Plays a file once, or over and over, as fast as it was asked for."""

    def __init__(self, path: Path, request: Request, repeat: bool = False) -> None:
        if not path.exists():
            raise CameraError(f"there is no video or folder of images {path}: give one that is")
        self._path, self._request, self._repeat = path, request, repeat
        self._images: Iterator[NDArray[np.uint8]] = iter(())
        self._due_s = 0.0
        self._number = 0

    def __enter__(self) -> FileCamera:
        self._images = self._play()
        self._due_s = time.monotonic()
        return self

    def close(self) -> None:
        """See `Closing.close`."""
        self._images = iter(())

    def read(self, timeout_s: float) -> Frame | None:
        """See `CameraDriver.read`."""
        wait_s = self._due_s - time.monotonic()
        time.sleep(min(max(wait_s, 0.0), timeout_s))
        if wait_s > timeout_s:
            return None
        image = next(self._images, None)
        if image is None:
            raise CameraError(f"{self._path} has no more images")
        self._due_s += 1.0 / self._request.rate_hz
        self._number += 1
        return Frame(image, time.time(), self._number, "file")

    def _play(self) -> Iterator[NDArray[np.uint8]]:
        while True:
            count = 0
            for image in self._folder() if self._path.is_dir() else self._video():
                count += 1
                yield self._checked(image)
            if count == 0:
                raise CameraError(f"{self._path} has no images that can be read")
            if not self._repeat:
                return

    def _folder(self) -> Iterator[NDArray[np.uint8]]:
        for path in sorted(self._path.iterdir()):
            if path.suffix.lower() in _IMAGES:
                image = cv2.imread(str(path))
                if image is None:
                    raise CameraError(f"{path} cannot be read as an image: leave it out")
                yield np.asarray(image, dtype=np.uint8)

    def _video(self) -> Iterator[NDArray[np.uint8]]:
        video = cv2.VideoCapture(str(self._path))
        try:
            while True:
                good, image = video.read()
                if not good:
                    return
                yield np.asarray(image, dtype=np.uint8)
        finally:
            video.release()

    def _checked(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        if (width, height) != (self._request.width_px, self._request.height_px):
            raise CameraError(
                f"{self._path} has images of {width}x{height}, asked for are "
                f"{self._request.width_px}x{self._request.height_px}: give the size of the file"
            )
        return np.ascontiguousarray(image[:, :, ::-1])
