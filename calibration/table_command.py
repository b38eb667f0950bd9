"""``pushcell calibrate table``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tyro.conf import Positional, arg

from calibration.files import read_touched
from calibration.plots import table_pictures
from calibration.result_files import CalibrationOutcome, finish
from calibration.table_plane import (
    PixelMap,
    TablePlane,
    fit_map,
    fit_plane,
    left_out_m,
    map_of_camera,
)
from pushcell.cameras.calibration_files import read_hand_eye
from pushcell.cameras.camera_info import read_camera_info
from pushcell.errors import CalibrationError
from pushcell.geometry import Array


@dataclass(frozen=True)
class CalibrateTable:
    r"""Calibrate the table's plane, and the map from a camera's pixels to it.

    Touch marked points with the pusher's tip. For each, write down the tip's position and the pixel
    at which the camera sees the mark. With --hand-eye (a camera on the base) the map follows from
    the calibrated camera, and the touched points check it.

    example:
      pushcell calibrate table touched.json --intrinsics camera.yaml --hand-eye hand_eye.json \
        --out out
    """

    touched: Positional[Path]
    """JSON list of {"xyz_m": [x, y, z], "pixel": [u, v]}; pixel only where a camera sees the
    mark."""
    out: Path
    """Folder for the result."""
    intrinsics: Path | None = None
    """The camera's camera_info YAML file; without it, pixels are taken as undistorted."""
    hand_eye: Path | None = None
    """A saved eye-to-hand calibration; needs --intrinsics."""
    marks_height: float = 0.0
    """Height of the marks above the table (m), such as the thickness of their board."""
    max_plane_mm: float = 2.0
    """Limit: RMS distance of the points from the plane."""
    max_tilt_deg: float = 0.5
    """Limit: tilt of the table against the base's z = 0; tilts are not corrected."""
    max_height_mm: float = 5.0
    """Limit: height of the table at the touched points above the base's z = 0."""
    max_map_mm: float = 5.0
    """Limit: RMS error of the map at held-out points."""
    force: bool = False
    """Save the result even if it exceeds its limits."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the numbers as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises CalibrationError."""
    options = tyro.cli(CalibrateTable, prog="pushcell calibrate table", args=list(words))
    return finish(outcome(options), options.out, options.force, options.json)


def outcome(options: CalibrateTable) -> CalibrationOutcome:
    """What is told and saved of the touched points."""
    points, pixels = read_touched(options.touched)
    plane = fit_plane(points - [0, 0, options.marks_height])
    heights = plane.heights(points[:, :2])
    rms_mm = float(1e3 * np.sqrt(np.mean(plane.residuals_m**2)))
    tilt_deg = float(np.degrees(plane.tilt_rad))
    height_mm = float(1e3 * heights[np.argmax(np.abs(heights))])
    figures: dict[str, Any] = {
        "plane": plane.coefficients.tolist(),
        "covariance": plane.covariance.tolist(),
        "normal": plane.normal.tolist(),
        "tilt_deg": tilt_deg,
        "height_mm": height_mm,
        "height_deviation_mm": 1e3 * plane.height_deviation_m(),
        "residual_mm": rms_mm,
        "points": len(points),
    }
    limits = [
        ("the points' distance from a plane", rms_mm, options.max_plane_mm, "mm"),
        ("the table's tilt", tilt_deg, options.max_tilt_deg, "deg"),
        ("the table's height", abs(height_mm), options.max_height_mm, "mm"),
    ]
    off_m = None
    if pixels is not None:
        pixel_map, off_m = _map(options, pixels, points, plane)
        map_mm = float(1e3 * np.sqrt(np.mean(off_m**2)))
        figures |= {"pixel_to_table": pixel_map.homography.tolist(), "map_mm": map_mm}
        limits.append(("the map's error", map_mm, options.max_map_mm, "mm"))
    shown = {name: f"{value:.2f} {unit}, allowed {limit:g}" for name, value, limit, unit in limits}
    return CalibrationOutcome(
        kind="table",
        figures=figures,
        shown=shown,
        pictures=table_pictures(points, plane.residuals_m, off_m),
        problems=[
            f"{name} is {value:.2f} {unit}, allowed {limit:g}: shim the table or the base, and "
            "touch the points again"
            for name, value, limit, unit in limits
            if value > limit
        ],
    )


def _map(
    options: CalibrateTable, pixels: Array, points: Array, plane: TablePlane
) -> tuple[PixelMap, Array]:
    """The map, and its error [m] at each point by what was not made from that point.

    A calibrated camera's is of the table's plane; one made from marks is of theirs.
    """
    lens = None if options.intrinsics is None else read_camera_info(options.intrinsics)
    if options.hand_eye is None:
        return fit_map(pixels, points[:, :2], lens), left_out_m(pixels, points[:, :2], lens)
    if lens is None:
        raise CalibrationError("--hand-eye needs --intrinsics of the same camera")
    setup, X_BaseCamera = read_hand_eye(options.hand_eye)
    if setup != "eye-to-hand":
        raise CalibrationError(
            f"{options.hand_eye} is of a camera on the hand, which has no fixed map: give an "
            "eye-to-hand calibration"
        )
    marks = map_of_camera(lens, X_BaseCamera, fit_plane(points))
    off_m = np.linalg.norm(marks.to_table(pixels) - points[:, :2], axis=1)
    return map_of_camera(lens, X_BaseCamera, plane), off_m
