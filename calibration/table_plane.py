"""The table's plane from touched points, and the map from a camera's pixels to the table."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.errors import CalibrationError
from pushcell.geometry import Array

_FEWEST_POINTS = 4
_SMALLEST_EXTENT_M = 0.05


@dataclass(frozen=True)
class TablePlane:
    """``z = a x + b y + c`` in the base frame; ``covariance`` (3, 3) of (a, b, c)."""

    coefficients: Array
    covariance: Array
    points: Array

    @property
    def normal(self) -> Array:
        """(3,) unit normal of the table in the base frame, pointing upwards."""
        a, b, _ = self.coefficients
        upward = np.array([-a, -b, 1.0])
        return upward / np.linalg.norm(upward)

    @property
    def tilt_rad(self) -> float:
        """Between its normal and the vertical."""
        return float(np.arccos(np.clip(self.normal[2], -1, 1)))

    @property
    def residuals_m(self) -> Array:
        """(n,) heights of the touched points over the plane."""
        return self.points[:, 2] - self.heights(self.points[:, :2])

    def heights(self, xy: Array) -> Array:
        """(n,) its height at places (n, 2) [m]."""
        return np.column_stack([xy, np.ones(len(xy))]) @ self.coefficients

    def height_deviation_m(self) -> float:
        """Largest standard deviation of its height at a touched point."""
        A = np.column_stack([self.points[:, :2], np.ones(len(self.points))])
        return float(np.sqrt(np.max(np.sum(A @ self.covariance * A, axis=1))))


def fit_plane(points: Array) -> TablePlane:
    """The plane through points (n, 3) [m] that the pusher's tip touched."""
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise CalibrationError("touched points must be finite x, y, z in metres")
    if len(points) < _FEWEST_POINTS:
        raise CalibrationError(
            f"only {len(points)} points were touched: {_FEWEST_POINTS} at least, all over the table"
        )
    if np.abs(points).max() > 10:
        raise CalibrationError(
            f"a touched point is {np.abs(points).max():.0f} m away: lengths are in metres; divide "
            "millimetres by 1000"
        )
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    if np.linalg.svd(flat, compute_uv=False)[-1] / np.sqrt(len(points)) < _SMALLEST_EXTENT_M / 2:
        raise CalibrationError(
            "the touched points lie almost in one line, so the plane can turn about it: touch some "
            "to the left and to the right"
        )
    A = np.column_stack([points[:, :2], np.ones(len(points))])
    coefficients = np.asarray(np.linalg.lstsq(A, points[:, 2], rcond=None)[0], dtype=float)
    left = points[:, 2] - A @ coefficients
    variance = float(left @ left) / (len(points) - 3)
    covariance: Array = np.asarray(np.linalg.inv(A.T @ A) * variance, dtype=float)
    return TablePlane(coefficients, covariance, points)


@dataclass(frozen=True)
class PixelMap:
    """Pixels of one camera to places on the table; ``homography`` (3, 3) is of undistorted ones.

    Undistorted means: as a camera of the same matrix without distortion would see them.
    """

    homography: Array
    lens: Lens | None

    def to_table(self, pixels: Array) -> Array:
        """(n, 2) x, y [m] in the base of pixels (n, 2)."""
        return cv2.perspectiveTransform(self._straight(pixels)[None], self.homography)[0]

    def _straight(self, pixels: Array) -> Array:
        return straighten(pixels, self.lens)


def straighten(pixels: Array, lens: Lens | None) -> Array:
    """Pixels (n, 2) without the lens's distortion; as they are without a lens."""
    if lens is None:
        return np.asarray(pixels, dtype=float)
    return (lens.rays(pixels) @ lens.matrix.T)[:, :2]


def fit_map(pixels: Array, places: Array, lens: Lens | None) -> PixelMap:
    """From points seen at pixels (n, 2) and touched at places (n, 2) [m] of the base."""
    if len(pixels) < _FEWEST_POINTS:
        raise CalibrationError(
            f"only {len(pixels)} touched points have pixels: the map needs {_FEWEST_POINTS}"
        )
    homography, _ = cv2.findHomography(straighten(pixels, lens), np.asarray(places, dtype=float))
    if homography is None:
        raise CalibrationError("the marked points lie in one line: spread them over the image")
    return PixelMap(homography, lens)


def map_of_camera(lens: Lens, X_BaseCamera: Array, plane: TablePlane) -> PixelMap:
    """The map that a calibrated camera (4, 4) and a plane make."""
    a, b, c = plane.coefficients
    X_CameraBase = se3.inverse(X_BaseCamera)
    lifted = np.array([[1.0, 0, 0], [0, 1.0, 0], [a, b, c], [0, 0, 1.0]])
    return PixelMap(np.linalg.inv(lens.matrix @ X_CameraBase[:3] @ lifted), lens)


def left_out_m(pixels: Array, places: Array, lens: Lens | None) -> Array:
    """(n,) how far each touched point is from where a map of the others has it."""
    off = []
    for index in range(len(pixels)):
        others = np.arange(len(pixels)) != index
        mapped = fit_map(pixels[others], places[others], lens).to_table(pixels[index : index + 1])
        off.append(np.linalg.norm(mapped[0] - places[index]))
    return np.array(off)
