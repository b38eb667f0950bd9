"""A video or a folder of images in a camera's place, at the camera's rate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.drivers.camera import CameraRequest
from pushcell.drivers.paced_camera import PacedCamera
from pushcell.errors import CameraError

_IMAGES = (".png", ".jpg", ".jpeg")


class FileCamera(PacedCamera):
    """Plays a file once, or over and over."""

    def __init__(self, path: Path, request: CameraRequest, repeat: bool = False) -> None:
        if not path.exists():
            raise CameraError(f"there is no video or folder of images {path}: give one that is")
        super().__init__(str(path), request)
        self._path, self._repeat = path, repeat

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """See `PacedCamera.images`; raises CameraError where the file cannot be played."""
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
