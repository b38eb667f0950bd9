"""Between the pixels of a camera that stands still and the plane in which the pusher moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array, Pose

_LEVEL = 1e-6


def table_point(lens: Lens, X_BaseCamera: Pose, pixel: ArrayLike, height_m: float) -> Array | None:
    """(2,) x, y [m] in the base frame of what a pixel (2,) shows at a height above the table.

    The inverse of ``pushcell.cameras.overlay.project``. None where the pixel shows nothing of that
    plane: level with it, behind the camera, or not finite.
    """
    if not np.isfinite(pixel).all():
        return None
    X_BaseCamera = X_BaseCamera
    ray = X_BaseCamera.rotation @ lens.rays(pixel)[0]
    if not abs(ray[2]) > _LEVEL:  # or not a number: no ray bends to that pixel
        return None
    along = (height_m - X_BaseCamera.translation[2]) / ray[2]
    return None if along <= 0 else (X_BaseCamera.translation + along * ray)[:2]


def picture_axes(X_BaseCamera: Pose) -> Array:
    """(2, 2) rotation; its columns are the picture's right and up on the table, in the base.

    Right is the camera's own, laid on the table; up is square to it, as seen from above.
    """
    right = X_BaseCamera.rotation[:2, 0]
    right = right / np.linalg.norm(right)
    return np.column_stack([right, [-right[1], right[0]]])
