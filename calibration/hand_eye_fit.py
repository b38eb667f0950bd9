"""The most likely hand-eye solution: all views at once, the arm's own noise taken into account.

The residuals are reprojection errors of all corners (or errors of poses, where only these are
given). The hand's pose is not exact either; to first order its noise only correlates the errors
of one view, so each view's errors are whitened with the covariance of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from calibration.hand_eye_data import CornerSighting, HandEyeData, Indices
from calibration.hand_eye_noise import Noise, estimate_noise, hand_to_target
from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array

_ROUNDS = 3
# Encoders are set to better than this; it also settles what no camera can tell, such as an
# offset of the first joint.
_OFFSET_RAD = 0.01
_STEP_RAD = 1e-6

HandAt = Callable[[Array], Array]


@dataclass(frozen=True)
class Joints:
    """The arm's joints (N, n) [rad] at each view, and its hand's pose (4, 4) at joints (n,)."""

    positions: Array
    hand_at: HandAt

    def subset(self, indices: Indices) -> Joints:
        """Of some of the views."""
        return Joints(self.positions[indices], self.hand_at)

    def hands(self, offsets: Array) -> Array:
        """(N, 4, 4) in the base, if every joint is off by ``offsets`` (n,) [rad]."""
        return np.array([self.hand_at(q + offsets) for q in self.positions])

    def jacobians(self, offsets: Array) -> Array:
        """(N, 6, n) twist of the hand in its own axes for each offset."""
        now = se3.inverse(self.hands(offsets))
        steps = [self.hands(offsets + _STEP_RAD * axis) for axis in np.eye(len(offsets))]
        return np.stack([se3.difference(now @ step) / _STEP_RAD for step in steps], axis=-1)


@dataclass(frozen=True)
class Solution:
    """X and Y (4, 4); where freed joints' offsets (n,) [rad], a lens and the board's scale."""

    X: Array
    Y: Array
    offsets_rad: Array
    lens: Lens | None
    scale: float | None = None

    @property
    def parameters(self) -> int:
        """How many a step has: 12 of X and Y, offsets, those of the lens, 1 of the scale."""
        return 12 + len(self.offsets_rad) + self._lens_parameters + int(self.scale is not None)

    @property
    def _lens_parameters(self) -> int:
        return 0 if self.lens is None else len(self.lens.names)

    def moved(self, step: Array) -> Solution:
        """After a step (p,): a twist of X in the camera's axes, one of Y in the target's, rest."""
        end = 12 + len(self.offsets_rad)
        by_lens = step[end : end + self._lens_parameters]
        return Solution(
            self.X @ se3.change(step[:6]),
            self.Y @ se3.change(step[6:12]),
            self.offsets_rad + step[12:end],
            None if self.lens is None else self.lens.changed(by_lens),
            None if self.scale is None else self.scale + float(step[-1]),
        )

    def seen(self, data: HandEyeData, joints: Joints | None) -> HandEyeData:
        """The data as it is with these offsets, through this lens."""
        if joints is not None:
            data = data.with_hands(joints.hands(self.offsets_rad))
        if self.scale is not None:
            data = data.scaled(self.scale)
        return data if self.lens is None else data.through(self.lens)


@dataclass(frozen=True)
class HandEyeFit:
    """A solution: ``covariance`` (p, p) of a step of it; ``data`` as it is by the solution.

    ``by_view`` holds for each view the whitened residual (m,) and its Jacobian (m, p).
    """

    data: HandEyeData
    solution: Solution
    noise: Noise
    covariance: Array
    by_view: tuple[tuple[Array, Array], ...]

    def left_out(self) -> tuple[Array, Array]:
        """(N,) each: how far off [m], [rad] each target is where the others put it."""
        N = sum(A.T @ A for _, A in self.by_view) + _prior(self.solution)
        expected = []
        for index, (r, A) in enumerate(self.by_view):
            step = -np.linalg.solve(N - A.T @ A, A.T @ r)
            moved = self.solution.moved(step)
            expected.append(self.data.expected(moved.X, moved.Y)[index])
        return se3.errors(self.data.target_in_camera, np.array(expected))

    def surprise(self) -> Array:
        """(N,) squared distance of each target from where it should be; chi-squared, 6 freedoms."""
        squares = []
        for r, A in self.by_view:
            # X moves the target in all six ways: its columns span what a wrong pose would do.
            Q, _ = np.linalg.qr(A[:, :6])
            squares.append(float(np.sum((Q.T @ r) ** 2)))
        return np.array(squares)


def fit(
    data: HandEyeData,
    X: Array,
    Y: Array,
    joints: Joints | None = None,
    free_lens: bool = False,
    free_scale: bool = False,
) -> HandEyeFit:
    """The most likely solution near X and Y; with ``joints`` their offsets, the lens, the scale."""
    offsets = np.zeros(0 if joints is None else joints.positions.shape[1])
    solution = Solution(
        X, Y, offsets, data.lens if free_lens else None, 1.0 if free_scale else None
    )
    for _ in range(_ROUNDS):
        moved = solution.seen(data, joints)
        noise = estimate_noise(moved, solution.X, solution.Y, 12 + len(offsets))
        problem = _Problem(data, solution, _whiteners(moved, solution, noise), joints)
        start = np.zeros(solution.parameters)
        step = least_squares(
            problem.residuals, start, problem.jacobian, method="lm", x_scale="jac"
        ).x
        solution = solution.moved(step)
    problem = _Problem(data, solution, problem.whiteners, joints)
    by_view = problem.by_view(np.zeros(solution.parameters))
    information = sum(A.T @ A for _, A in by_view) + _prior(solution)
    seen = solution.seen(data, joints)
    return HandEyeFit(seen, solution, noise, _inverse(information), by_view)


@dataclass(frozen=True)
class _Problem:
    """Whitened residuals around a solution; parameters are steps from it."""

    data: HandEyeData
    solution: Solution
    whiteners: tuple[Array, ...]
    joints: Joints | None

    def residuals(self, step: Array) -> Array:
        parts = [r for r, _ in self.by_view(step)]
        return np.concatenate([*parts, self.solution.moved(step).offsets_rad / _OFFSET_RAD])

    def jacobian(self, step: Array) -> Array:
        parts = [-A for _, A in self.by_view(step)]
        count = len(self.solution.offsets_rad)
        prior = np.eye(self.solution.parameters)[12 : 12 + count]
        return np.vstack([*parts, prior / _OFFSET_RAD])

    def by_view(self, step: Array) -> tuple[tuple[Array, Array], ...]:
        """Residual (m,) and how what is expected moves with the parameters (m, p)."""
        now = self.solution.moved(step)
        data = now.seen(self.data, self.joints)
        expected = data.expected(now.X, now.Y)
        moves = self._moves(data, now, expected)
        views = []
        for s, T, move, W in zip(data.sightings, expected, moves, self.whiteners, strict=True):
            J = s.jacobian(T) @ move
            if now.lens is not None and isinstance(s, CornerSighting):
                J = np.hstack([J, s.by_lens(T)])
            if now.scale is not None:
                J = np.hstack([J, s.by_scale(T) / now.scale])
            views.append((W @ s.residual(T), W @ J))
        return tuple(views)

    def _moves(self, data: HandEyeData, now: Solution, expected: Array) -> Array:
        """(N, 6, 12 + joints) twists of the target in the camera."""
        by_X = np.broadcast_to(-np.eye(6), (len(expected), 6, 6))
        parts = [by_X, se3.adjoint(expected)]
        if self.joints is not None:
            parts.append(hand_to_target(data, now.X) @ self.joints.jacobians(now.offsets_rad))
        return np.concatenate(parts, axis=2)


def _whiteners(data: HandEyeData, now: Solution, noise: Noise) -> tuple[Array, ...]:
    """(m, m) of each view, which make its residuals' covariance the identity."""
    whiteners = []
    expected = data.expected(now.X, now.Y)
    pairs = zip(data.sightings, expected, hand_to_target(data, now.X), strict=True)
    for sighting, target, by_hand in pairs:
        J = sighting.jacobian(target) @ by_hand
        own = noise.target if sighting.base_variance is None else np.full(len(J), noise.pixel**2)
        covariance = (J * noise.hand) @ J.T + np.diag(own + 1e-12)
        whiteners.append(np.linalg.inv(np.linalg.cholesky(covariance)))
    return tuple(whiteners)


def _prior(solution: Solution) -> Array:
    """(p, p) what is known of the parameters without any view."""
    precisions = np.zeros(solution.parameters)
    precisions[12 : 12 + len(solution.offsets_rad)] = _OFFSET_RAD**-2
    return np.diag(precisions)


def _inverse(information: Array) -> Array:
    """Of parameters of very different units."""
    scale = 1 / np.sqrt(np.diag(information))
    scaled = information * scale * scale[:, None]
    return np.asarray(np.linalg.inv(scaled) * scale * scale[:, None], dtype=float)
