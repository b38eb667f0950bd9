"""Between the pixels of a camera that stands still and the plane in which the pusher moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config import CameraConfig
from pushcell.geometry import Array

_LEVEL = 1e-6


def table_point(camera: CameraConfig, pixel: ArrayLike, height_m: float) -> Array | None:
    """(2,) x, y [m] in the base frame of what a pixel (2,) shows at a height above the table.

    The inverse of ``pushcell.overlay.project`` for a camera fixed to the base. None where the
    pixel shows nothing of that plane: level with it, behind the camera, or not finite.
    """
    u, v = np.asarray(pixel, dtype=float)
    if not np.isfinite([u, v]).all():
        return None
    X_BC = camera.pose_in_link
    ray = X_BC.rotation @ np.linalg.solve(camera.matrix, [u, v, 1.0])
    if abs(ray[2]) < _LEVEL:
        return None
    along = (height_m - X_BC.translation[2]) / ray[2]
    return None if along <= 0 else (X_BC.translation + along * ray)[:2]


def picture_axes(camera: CameraConfig) -> Array:
    """(2, 2) rotation; its columns are the picture's right and up on the table, in the base.

    Right is the camera's own, laid on the table; up is square to it, as seen from above.
    """
    right = camera.pose_in_link.rotation[:2, 0]
    right = right / np.linalg.norm(right)
    return np.column_stack([right, [-right[1], right[0]]])
