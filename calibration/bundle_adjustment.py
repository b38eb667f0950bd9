"""Bundle adjustment of one camera and one board: intrinsics, poses and the board's true shape.

Paper bends and printers stretch: half a millimetre is half a pixel. The shape is what no motion
and no scaling of the board could explain; its scale stays as described.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import null_space

from calibration.views import View
from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array

_MOST_STEPS = 15
_FEWEST_SIGHTINGS = 3


@dataclass(frozen=True)
class Bundle:
    """A lens, a board's corners (N, 3) [m] and its poses (n, 4, 4) in the camera."""

    lens: Lens
    corners_m: Array
    poses: Array

    def errors(self, views: Sequence[View]) -> list[Array]:
        """[(m, 2)] seen less expected [px], view by view."""
        return [
            view.corners.pixels - self.lens.project(self._points(index, view))
            for index, view in enumerate(views)
        ]

    def adjusted(self, views: Sequence[View], shape: bool) -> Bundle:
        """The least squares solution near this one; ``shape`` frees the board's."""
        bundle, basis = self, shape_basis(self.corners_m, views) if shape else None
        cost = _cost(bundle.errors(views))
        for _ in range(_MOST_STEPS):
            following = bundle._step(views, basis)
            following_cost = _cost(following.errors(views))
            if not following_cost < cost:
                break
            done = cost - following_cost < 1e-9 * cost
            bundle, cost = following, following_cost
            if done:
                break
        return bundle

    def information(self, views: Sequence[View], shape: bool) -> Array:
        """(p + shape, p + shape) per px^2, of intrinsics and shape, the poses eliminated."""
        basis = shape_basis(self.corners_m, views) if shape else None
        return self._normal_equations(views, basis)[0]

    def _step(self, views: Sequence[View], basis: Array | None) -> Bundle:
        N, g, eliminated = self._normal_equations(views, basis)
        scale = 1 / np.sqrt(np.diag(N))
        common = scale * np.linalg.solve(N * scale * scale[:, None], scale * g)
        twists = np.array([pinv @ (error - A @ common) for pinv, error, A in eliminated])
        count = len(self.lens.names)
        lens = self.lens.changed(common[:count])
        corners = self.corners_m
        if basis is not None:
            corners = corners + (basis @ common[count:]).reshape(-1, 3)
        return Bundle(lens, corners, se3.change(twists) @ self.poses)

    def _normal_equations(
        self, views: Sequence[View], basis: Array | None
    ) -> tuple[Array, Array, list[tuple[Array, Array, Array]]]:
        """Matrix and right side; and of each view what gives its pose: (6, m), (m,), (m, p)."""
        parameters = len(self.lens.names) + (0 if basis is None else basis.shape[1])
        N, g, eliminated = np.zeros((parameters, parameters)), np.zeros(parameters), []
        for index, (view, error) in enumerate(zip(views, self.errors(views), strict=True)):
            points = self._points(index, view)
            A = self.lens.by_parameters(points).reshape(2 * len(points), -1)
            B = self.lens.project_with_jacobian(points)[1].reshape(-1, 6)
            if basis is not None:
                A = np.hstack([A, self._shape_jacobian(index, view, B[:, 3:], basis)])
            r = error.ravel()
            Q, R = np.linalg.qr(B)
            A_left, r_left = A - Q @ (Q.T @ A), r - Q @ (Q.T @ r)
            N += A_left.T @ A_left
            g += A_left.T @ r_left
            eliminated.append((np.linalg.solve(R, Q.T), r, A))
        return N, g, eliminated

    def _shape_jacobian(self, index: int, view: View, by_point: Array, basis: Array) -> Array:
        ids = view.corners.ids
        by_corner = (by_point @ self.poses[index, :3, :3]).reshape(len(ids), 2, 3)
        moved = basis.reshape(len(self.corners_m), 3, -1)[ids]
        return (by_corner @ moved).reshape(2 * len(ids), -1)

    def _points(self, index: int, view: View) -> Array:
        pose = self.poses[index]
        return self.corners_m[view.corners.ids] @ pose[:3, :3].T + pose[:3, 3]


def shape_basis(corners_m: Array, views: Sequence[View]) -> Array:
    """(3N, p) orthonormal: what may change of a board but by moving or scaling it.

    Corners that are hardly ever seen do not change.
    """
    sightings = np.bincount(
        np.concatenate([v.corners.ids for v in views]), minlength=len(corners_m)
    )
    free = np.flatnonzero(sightings >= _FEWEST_SIGHTINGS)
    points = corners_m[free] - corners_m[free].mean(axis=0)
    turns = [np.cross(axis, points).ravel() for axis in np.eye(3)]
    shifts = [np.tile(axis, len(free)) for axis in np.eye(3)]
    inside = null_space(np.array([*shifts, *turns, points.ravel()]))
    basis = np.zeros((len(corners_m), 3, inside.shape[1]))
    basis[free] = inside.reshape(len(free), 3, -1)
    return basis.reshape(3 * len(corners_m), -1)


def rms(errors: Array) -> float:
    """Root of the mean squared length of errors (n, 2)."""
    return float(np.sqrt(np.mean(np.sum(errors**2, axis=-1))))


def _cost(errors: list[Array]) -> float:
    return float(sum(np.sum(e**2) for e in errors))
