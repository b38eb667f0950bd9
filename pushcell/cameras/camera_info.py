"""ROS's camera_info YAML, as camera_calibration writes and camera_info_manager reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pushcell.cameras.camera_model import COEFFICIENTS, Lens, Model
from pushcell.config.strict_yaml import read_yaml
from pushcell.errors import CalibrationError, ConfigError
from pushcell.geometry import Array

# Times the image's width: 0.1 looks at 157 deg of it, 50 at one.
_LEAST_FOCAL, _MOST_FOCAL = 0.1, 50.0
_MOST_SKEW_PX = 0.1
# A lens shows what is this near to the middle, in parts of the image's sides, once.
_RING, _SAME_PX = 0.25, 0.5
_ROUND = np.column_stack([f(np.arange(12) * np.pi / 6) for f in (np.cos, np.sin)])
_BY_CAMERA_MODEL: dict[str, Model] = {"fisheye": "equidistant"}


def camera_info_text(lens: Lens, camera: str) -> str:
    """The YAML of a camera."""
    projection = np.column_stack([lens.matrix, np.zeros(3)])
    values = {
        "image_width": lens.size[0],
        "image_height": lens.size[1],
        "camera_name": camera,
        "camera_matrix": _block(lens.matrix),
        "distortion_model": lens.model,
        "distortion_coefficients": _block(lens.distortion[None]),
        "rectification_matrix": _block(np.eye(3)),
        "projection_matrix": _block(projection),
    }
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None)


def read_camera_info(path: Path) -> Lens:
    """The lens of a file; raises CalibrationError naming the file and what is wrong."""
    try:
        values = read_yaml(path)
        matrix = np.reshape(np.asarray(values["camera_matrix"]["data"], dtype=float), (3, 3))
        distortion = np.asarray(values["distortion_coefficients"]["data"], dtype=float)
        size = int(values["image_width"]), int(values["image_height"])
        # ROS's fisheye calibration names the camera's model instead.
        model: Any = values.get("distortion_model") or _BY_CAMERA_MODEL[values["camera_model"]]
    except ConfigError as error:
        raise CalibrationError(f"{error}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CalibrationError(
            f"{path}: is not ROS's camera_info YAML ({error!r}): give the file that "
            "`pushcell calibrate intrinsics` wrote"
        ) from None
    if model == "plumb_bob" and distortion.size in (0, 4):
        distortion = np.append(distortion.ravel(), np.zeros(5 - distortion.size))
    if model == "equidistant" and distortion.size > 4 and not distortion[4:].any():
        distortion = distortion[:4]  # drivers fill a fifth one in, with zero
    counts = COEFFICIENTS[model] if model in tuple(COEFFICIENTS) else ()
    if distortion.shape not in [(count,) for count in counts]:
        known = ", ".join(
            f"{name} with {' or '.join(map(str, counts))}" for name, counts in COEFFICIENTS.items()
        )
        raise CalibrationError(
            f"{path}: distortion_model {model!r} with {distortion.size} coefficients is not read; "
            f"those read are {known}, and plumb_bob with 0 or 4"
        )
    if not (np.isfinite(matrix).all() and np.isfinite(distortion).all()):
        raise CalibrationError(f"{path}: its numbers are not those of a camera: calibrate again")
    if abs(matrix[0, 1]) > _MOST_SKEW_PX:
        raise CalibrationError(
            f"{path}: its matrix has a skew of {matrix[0, 1]:.3g} px, which the models here do not "
            "have: calibrate the camera again, with `pushcell calibrate intrinsics` or without skew"
        )
    lens = Lens(matrix, distortion, size, model)
    problem = _problem(lens)
    if problem:
        raise CalibrationError(f"{path}: {problem}")
    return lens


def _problem(lens: Lens) -> str:
    """Why no camera can be like this; empty where one can."""
    (width, height), matrix = lens.size, lens.matrix
    if not (width > 0 and height > 0):
        return f"an image cannot be {width}x{height} px"
    for focal_px, side, sides in ((matrix[0, 0], width, "wide"), (matrix[1, 1], height, "high")):
        if not _LEAST_FOCAL * side < focal_px < _MOST_FOCAL * side:
            return (
                f"a focal length of {focal_px:g} px is not that of an image {side} px {sides}: "
                "camera_matrix is in pixels, not in millimetres or parts of the image"
            )
    middle = matrix[:2, 2]
    if not ((middle > 0) & (middle < lens.size)).all() or (matrix[2] != [0, 0, 1]).any():
        return (
            f"camera_matrix must be fx 0 cx, 0 fy cy, 0 0 1 with cx and cy inside the image of "
            f"{width}x{height} px, not {', '.join(f'{value:g}' for value in matrix.ravel())}"
        )
    ring = middle + _RING * np.array(lens.size) * _ROUND
    back = lens.project(lens.rays(ring))
    if not (np.abs(back - ring) < _SAME_PX).all():
        return (
            f"with distortion_coefficients {', '.join(f'{value:g}' for value in lens.distortion)} "
            "points near the image's middle would be seen twice: they are of another order, or of "
            "another model"
        )
    return ""


def _block(matrix: Array) -> dict[str, object]:
    rows, cols = matrix.shape
    return {"rows": rows, "cols": cols, "data": [float(v) for v in matrix.ravel()]}
