"""A camera's lens: pinhole matrix and plumb-bob distortion, and what it does to points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike

from calibration import se3
from pushcell.geometry import Array


@dataclass(frozen=True)
class Lens:
    """Matrix (3, 3) [px], distortion k1 k2 p1 p2 k3 (5,), image size (width, height) [px]."""

    matrix: Array
    distortion: Array
    size: tuple[int, int]

    def project(self, points: ArrayLike) -> Array:
        """Points (n, 3) in the camera to pixels (n, 2)."""
        return self.project_with_jacobian(points)[0]

    def project_with_jacobian(self, points: ArrayLike) -> tuple[Array, Array]:
        """Pixels (n, 2), and (n, 2, 6): how they move with a twist of the points, camera fixed."""
        still = np.zeros(3)
        pixels, jacobian = cv2.projectPoints(
            np.asarray(points, dtype=float), still, still, self.matrix, self.distortion
        )
        return pixels[:, 0], jacobian[:, :6].reshape(-1, 2, 6)

    def by_parameters(self, points: ArrayLike) -> Array:
        """(n, 2, 9): how pixels of points (n, 3) move with fx fy cx cy k1 k2 p1 p2 k3."""
        still = np.zeros(3)
        jacobian = cv2.projectPoints(
            np.asarray(points, dtype=float), still, still, self.matrix, self.distortion
        )[1]
        return jacobian[:, 6:15].reshape(-1, 2, 9)

    @property
    def parameters(self) -> Array:
        """(9,) fx fy cx cy k1 k2 p1 p2 k3."""
        m = self.matrix
        return np.array([m[0, 0], m[1, 1], m[0, 2], m[1, 2], *self.distortion])

    def changed(self, change: Array) -> Lens:
        """With its parameters changed by (9,), in the order above."""
        step = np.array([[change[0], 0, change[2]], [0, change[1], change[3]], [0, 0, 0]])
        return replace(self, matrix=self.matrix + step, distortion=self.distortion + change[4:])

    def rays(self, pixels: ArrayLike) -> Array:
        """Pixels (n, 2) to directions (n, 3) in the camera, of depth 1."""
        seen = np.asarray(pixels, dtype=float).reshape(-1, 1, 2)
        many = (cv2.TERM_CRITERIA_COUNT, 30, 0.0)
        flat = cv2.undistortPointsIter(seen, self.matrix, self.distortion, None, None, many)
        return np.column_stack([flat[:, 0], np.ones(len(flat))])

    def locate(self, points: Array, pixels: Array) -> Array:
        """(4, 4) pose in the camera of nearly flat points (n, 3), seen at pixels (n, 2)."""
        flat = points * [1.0, 1.0, 0.0]
        count, rvecs, tvecs, errors = cv2.solvePnPGeneric(
            flat, pixels, self.matrix, self.distortion, flags=cv2.SOLVEPNP_IPPE
        )
        best = int(np.argmin(np.ravel(errors))) if count > 1 else 0
        rvec, tvec = cv2.solvePnPRefineLM(
            points, pixels, self.matrix, self.distortion, rvecs[best], tvecs[best]
        )
        return se3.from_rvec(rvec, tvec)
