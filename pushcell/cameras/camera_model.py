"""A camera's lens: pinhole matrix and distortion, and what they do to points.

The models are those of OpenCV and ROS: ``plumb_bob`` (5 coefficients), ``rational_polynomial`` (8,
12 or 14) for wide lenses, ``equidistant`` (4) for fisheye lenses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike

from pushcell import se3
from pushcell.geometry import Array

Model = Literal["plumb_bob", "rational_polynomial", "equidistant"]
COEFFICIENTS: dict[Model, tuple[int, ...]] = {
    "plumb_bob": (5,),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
}
"""How many coefficients the models have."""

_PINHOLE = ("fx", "fy", "cx", "cy")
_NAMES = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4", "tau_x", "tau_y")
_FISHEYE = ("k1", "k2", "k3", "k4")
_STILL = np.zeros(3)


@dataclass(frozen=True)
class Lens:
    """Matrix (3, 3) [px], distortion (n,), image size (width, height) [px], and the model."""

    matrix: Array
    distortion: Array
    size: tuple[int, int]
    model: Model = "plumb_bob"

    @property
    def names(self) -> tuple[str, ...]:
        """Of its parameters, in their order."""
        known = _FISHEYE if self.model == "equidistant" else _NAMES
        return _PINHOLE + known[: len(self.distortion)]

    def project(self, points: ArrayLike) -> Array:
        """Points (n, 3) in the camera to pixels (n, 2)."""
        return self.project_with_jacobian(points)[0]

    def project_with_jacobian(self, points: ArrayLike) -> tuple[Array, Array]:
        """Pixels (n, 2), and (n, 2, 6): how they move with a twist of the points, camera fixed."""
        pixels, jacobian = self._projected(points)
        twist = jacobian[:, 8:14] if self.model == "equidistant" else jacobian[:, :6]
        return pixels, twist.reshape(-1, 2, 6)

    def by_parameters(self, points: ArrayLike) -> Array:
        """(n, 2, p): how pixels of points (n, 3) move with the parameters."""
        jacobian, count = self._projected(points)[1], len(self.names)
        start = 0 if self.model == "equidistant" else 6
        return jacobian[:, start : start + count].reshape(-1, 2, count)

    @property
    def parameters(self) -> Array:
        """(p,) fx fy cx cy and the distortion."""
        m = self.matrix
        return np.array([m[0, 0], m[1, 1], m[0, 2], m[1, 2], *self.distortion])

    def resized(self, size: tuple[int, int]) -> Lens:
        """The lens whose image is this one's squeezed to (width, height) [px].

        A pixel's centre is a whole number; the distortion is of directions and stays.
        """
        x, y = size[0] / self.size[0], size[1] / self.size[1]
        squeeze = np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]])
        return replace(self, matrix=squeeze @ self.matrix, size=size)

    def changed(self, change: Array) -> Lens:
        """With its parameters changed by (p,), in the order above."""
        step = np.array([[change[0], 0, change[2]], [0, change[1], change[3]], [0, 0, 0]])
        return replace(self, matrix=self.matrix + step, distortion=self.distortion + change[4:])

    def rays(self, pixels: ArrayLike) -> Array:
        """Pixels (n, 2) to directions (n, 3) in the camera, of depth 1."""
        seen = np.asarray(pixels, dtype=float).reshape(-1, 1, 2)
        many = (cv2.TERM_CRITERIA_COUNT, 30, 0.0)
        if self.model == "equidistant":
            flat = cv2.fisheye.undistortPoints(seen, self.matrix, self.distortion, criteria=many)
        else:
            flat = cv2.undistortPointsIter(seen, self.matrix, self.distortion, None, None, many)
        return np.column_stack([flat[:, 0], np.ones(len(flat))])

    def locate(self, points: Array, pixels: Array) -> Array:
        """(4, 4) pose in the camera of nearly flat points (n, 3), seen at pixels (n, 2)."""
        matrix, distortion = self.matrix, self.distortion
        if self.model == "equidistant":  # OpenCV's solvers do not know it
            pixels = np.ascontiguousarray(self.rays(pixels)[:, :2])
            matrix, distortion = np.eye(3), np.zeros(5)
        flat = points * [1.0, 1.0, 0.0]
        count, rvecs, tvecs, errors = cv2.solvePnPGeneric(
            flat, pixels, matrix, distortion, flags=cv2.SOLVEPNP_IPPE
        )
        best = int(np.argmin(np.ravel(errors))) if count > 1 else 0
        rvec, tvec = cv2.solvePnPRefineLM(
            points, pixels, matrix, distortion, rvecs[best], tvecs[best]
        )
        return se3.from_rvec(rvec, tvec)

    def _projected(self, points: ArrayLike) -> tuple[Array, Array]:
        """Pixels (n, 2) and OpenCV's Jacobian of the model."""
        at = np.asarray(points, dtype=float)
        if self.model == "equidistant":
            pixels, jacobian = cv2.fisheye.projectPoints(
                at.reshape(-1, 1, 3), _STILL, _STILL, self.matrix, self.distortion
            )
            return pixels[:, 0], jacobian
        pixels, jacobian = cv2.projectPoints(at, _STILL, _STILL, self.matrix, self.distortion)
        return pixels[:, 0], jacobian
