"""Reading what people give: poses, touched points, signals, markers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from calibration.latency import Signal
from calibration.slider_pose import Fiducials
from pushcell import se3
from pushcell.cameras.calibration_files import read_json
from pushcell.errors import CalibrationError
from pushcell.geometry import Array, PlanarPose
from pushcell.units import angle_problem, length_problem, seconds_problem

# What is larger is of another unit.
_LONGEST_STEP_S, _LARGEST_SLIDER_M = 2.0, 1.0
# A quaternion that was rounded to three digits is not longer or shorter than this.
_UNIT_TOLERANCE = 0.01


def read_pairs(path: Path) -> Array:
    """(N, 2, 4, 4): hand in base, target in camera."""
    pairs = _transforms(read_json(path), path)
    if pairs.ndim != 4 or pairs.shape[1:] != (2, 4, 4):
        raise CalibrationError(
            f"{path} holds an array {pairs.shape}, allowed: (N, 2, 4, 4), or (N, 2, 7) of x y z "
            "and quaternions x y z w, of each view hand in base and target in camera"
        )
    return pairs


def read_hand_poses(path: Path, images: tuple[str, ...]) -> Array:
    """(N, 4, 4) of the hand in the base for images by name, or in their order."""
    values = read_json(path)
    if isinstance(values, dict):
        lacking = sorted(set(images) - set(values))
        beyond = sorted(set(values) - set(images))
        if lacking or beyond:
            raise CalibrationError(
                f"{path} does not match the images: it has no pose for {lacking[:3]}, and there is "
                f"no image for {beyond[:3]}"
            )
        values = [values[name] for name in images]
    poses = _transforms(values, path)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4):
        raise CalibrationError(
            f"{path} holds an array {poses.shape}, allowed: (N, 4, 4), or (N, 7) of x y z and "
            "quaternions x y z w"
        )
    if len(poses) != len(images):
        raise CalibrationError(
            f"{path} has {len(poses)} poses and there are {len(images)} images: one of each is "
            "needed, in the same order"
        )
    return poses


def read_joints(path: Path, views: int, joints: int) -> Array:
    """Joint positions (views, joints) [rad] from a JSON file.

    Raises CalibrationError for another shape.
    """
    positions = _numbers(read_json(path), path)
    if positions.shape != (views, joints):
        raise CalibrationError(
            f"{path} holds an array {positions.shape}, allowed: ({views}, {joints}), the joints of "
            "each view"
        )
    if np.abs(positions).max() > 2 * np.pi:
        raise CalibrationError(
            f"{path} has a joint at {np.abs(positions).max():.0f}: joints are in radians, not "
            "degrees"
        )
    return positions


def read_touched(path: Path) -> tuple[Array, Array | None]:
    """Touched points (n, 3) [m], and their pixels (n, 2) where all have them."""
    values = read_json(path)
    try:
        points = np.array([point["xyz_m"] for point in values], dtype=float)
        seen = ["pixel" in point for point in values]
        pixels = np.array([p["pixel"] for p in values], dtype=float) if all(seen) else None
    except (KeyError, TypeError, ValueError):
        raise CalibrationError(
            f'{path}: allowed is a list of {{"xyz_m": [x, y, z], "pixel": [u, v]}}, pixels where '
            "the camera sees the points"
        ) from None
    if problem := length_problem(points):
        raise CalibrationError(f"{path}: a point is at {problem}")
    if any(seen) and pixels is None:
        raise CalibrationError(
            f"{path}: point {seen.index(False)} has no pixel: give every point one, or none"
        )
    return points, pixels


def read_signal(path: Path) -> Signal:
    """A signal from CSV with the columns time_s and value."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(float(row["time_s"]), float(row["value"])) for row in csv.DictReader(file)]
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, ValueError, csv.Error):
        raise CalibrationError(f"{path}: allowed is CSV with the columns time_s,value") from None
    table = np.array(rows).reshape(-1, 2)
    _require_seconds(table[:, 0], path)
    return Signal(path.stem, table[:, 0], table[:, 1])


def _require_seconds(times: Array, path: Path) -> None:
    """Raise CalibrationError for times whose steps are those of milliseconds or nanoseconds."""
    step = float(np.median(np.abs(np.diff(times)))) if len(times) > 1 else 0.0
    if problem := seconds_problem(step, _LONGEST_STEP_S):
        raise CalibrationError(f"{path}: its rows are apart by {problem}")


def read_fiducials(path: Path) -> Fiducials:
    """The slider's markers: dictionary, side_m, height_m, markers {id: [x, y, theta]}."""
    values = read_json(path)
    try:
        markers = {int(k): PlanarPose.from_array(v) for k, v in values["markers"].items()}
        sizes = float(values["side_m"]), float(values["height_m"])
        found = Fiducials(str(values["dictionary"]), *sizes, markers)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CalibrationError(
            f'{path}: allowed is {{"dictionary": "DICT_APRILTAG_36h11", "side_m": 0.03, '
            '"height_m": 0.03175, "markers": {"0": [x, y, theta], ...}}'
        ) from None
    places = [(pose.x, pose.y) for pose in markers.values()]
    largest_m = float(np.max(np.abs([*sizes, *np.ravel(places)])))
    if largest_m > _LARGEST_SLIDER_M:
        raise CalibrationError(
            f"{path}: a slider has no length of {largest_m:g} m: lengths are in metres; divide "
            "millimetres by 1000"
        )
    if problem := angle_problem([pose.theta for pose in markers.values()]):
        raise CalibrationError(f"{path}: a marker is turned by {problem}")
    return found


def _transforms(values: Any, path: Path) -> Array:
    """(..., 4, 4) as they are, or of (..., 7): x y z [m] and a quaternion x y z w."""
    numbers = _numbers(values, path)
    if numbers.ndim not in (2, 3) or numbers.shape[-1] != 7:
        return numbers
    lengths = np.linalg.norm(numbers[..., 3:], axis=-1)
    wrong = np.argwhere(~(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE))
    if len(wrong):
        raise CalibrationError(
            f"{path}: the quaternion of pose {wrong[0][0]} is {lengths[tuple(wrong[0])]:.3g} long, "
            "it must be 1: give x y z [m], then the quaternion x y z w"
        )
    rotation = Rotation.from_quat(numbers[..., 3:].reshape(-1, 4)).as_matrix()
    return se3.transform(rotation.reshape(*numbers.shape[:-1], 3, 3), numbers[..., :3])


def _numbers(values: Any, path: Path) -> Array:
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise CalibrationError(
            f"{path} is not an array of numbers with equal rows: one entry differs in size"
        ) from None
