"""A camera's pictures as a pinhole camera would show them, no wider than they need be."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array

_WIDEST_PX = 320


def reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3), at most 320 pixels wide."""
    if image.shape[1] <= _WIDEST_PX:
        return image
    height = round(image.shape[0] * _WIDEST_PX / image.shape[1])
    return np.asarray(
        cv2.resize(image, (_WIDEST_PX, height), interpolation=cv2.INTER_AREA), np.uint8
    )


def pinhole_matrix(lens: Lens, size_px: tuple[int, int]) -> Array:
    """(3, 3) camera matrix of the lens's pictures, scaled to ``size_px`` (width, height)."""
    scale = np.diag([size_px[0] / lens.size[0], size_px[1] / lens.size[1], 1.0])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    # A pixel's centre is a whole number: a picture's corners are half a pixel off.
    return np.asarray(np.linalg.inv(half) @ scale @ half @ lens.matrix)


def undistorted(image: NDArray[np.uint8], lens: Lens) -> NDArray[np.uint8]:
    """The picture (H, W, 3) as a lens without distortion would show it."""
    if not np.any(lens.distortion):
        return image
    matrix = pinhole_matrix(lens, (image.shape[1], image.shape[0]))
    if lens.model == "equidistant":
        straight = cv2.fisheye.undistortImage(image, matrix, lens.distortion, Knew=matrix)
    else:
        straight = cv2.undistort(image, matrix, lens.distortion, newCameraMatrix=matrix)
    return np.asarray(straight, np.uint8)
