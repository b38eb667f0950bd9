"""OpenCV's own solutions for the lens models: where bundle adjustment begins."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from calibration.bundle_adjustment import Bundle
from calibration.views import View
from pushcell import se3
from pushcell.cameras.camera_model import Lens, Model
from pushcell.errors import CalibrationError
from pushcell.geometry import Array

_KEPT = {"plumb_bob": 5, "rational_polynomial": 8}


def first_bundle(
    used: Sequence[View], corners_m: Array, size: tuple[int, int], model: Model
) -> Bundle:
    """Lens and poses for a flat board; raises CalibrationError where there is no solution."""
    try:
        matrix, distortion, rvecs, tvecs = _solved(used, corners_m, size, model)
    except cv2.error as error:
        raise CalibrationError(
            f"these views lead to no camera ({error.err}): take new ones, tilted to all sides"
        ) from None
    poses = np.array([se3.from_rvec(r, t) for r, t in zip(rvecs, tvecs, strict=True)])
    return Bundle(Lens(matrix, distortion, size, model), corners_m, poses)


def _solved(
    used: Sequence[View], corners_m: Array, size: tuple[int, int], model: Model
) -> tuple[Array, Array, Sequence[Array], Sequence[Array]]:
    points = [corners_m[view.corners.ids] for view in used]
    pixels = [view.corners.pixels for view in used]
    if model == "equidistant":
        flags = cv2.fisheye.CALIB_RECOMPUTE_EXTRINSIC | cv2.fisheye.CALIB_FIX_SKEW
        _, matrix, distortion, rvecs, tvecs = cv2.fisheye.calibrate(
            [p[:, None] for p in points],
            [p[:, None] for p in pixels],
            size,
            None,
            None,
            flags=flags,
        )
        return matrix, distortion.ravel(), rvecs, tvecs
    flags = cv2.CALIB_RATIONAL_MODEL if model == "rational_polynomial" else 0
    single = [[part.astype(np.float32) for part in parts] for parts in (points, pixels)]
    _, matrix, distortion, rvecs, tvecs = cv2.calibrateCamera(
        *single, size, None, None, flags=flags
    )
    return matrix, distortion.ravel()[: _KEPT[model]], rvecs, tvecs
