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

from calibration import se3
from calibration.hand_eye_data import HandEyeData, Indices
from calibration.hand_eye_noise import Noise, estimate_noise, hand_to_target
from pushcell.geometry import Array

_ROUNDS = 3
# Encoders are set to better than this; it also settles what no camera can tell, such as an
# offset of the first joint.
_OFFSET_RAD = 0.01
_STEP_RAD = 1e-6

HandAt = Callable[[Array], Array]


@dataclass(frozen=True)
class Joints:
    """The arm's joints (N, 7) [rad] at each view, and its hand's pose (4, 4) at joints (7,)."""

    positions: Array
    hand_at: HandAt

    def subset(self, indices: Indices) -> Joints:
        """Of some of the views."""
        return Joints(self.positions[indices], self.hand_at)

    def hands(self, offsets: Array) -> Array:
        """(N, 4, 4) in the base, if every joint is off by ``offsets`` (7,) [rad]."""
        return np.array([self.hand_at(q + offsets) for q in self.positions])

    def jacobians(self, offsets: Array) -> Array:
        """(N, 6, 7) twist of the hand in its own axes for each offset."""
        now = se3.inverse(self.hands(offsets))
        steps = [self.hands(offsets + _STEP_RAD * axis) for axis in np.eye(len(offsets))]
        return np.stack([se3.difference(now @ step) / _STEP_RAD for step in steps], axis=-1)


@dataclass(frozen=True)
class Fit:
    """A solution: ``covariance`` (p, p) of a twist of X, one of Y, and the joint offsets.

    Twists are in the camera's and in the target's own axes. ``by_view`` holds for each view the
    whitened residual (m,) and its Jacobian (m, p).
    """

    data: HandEyeData
    X: Array
    Y: Array
    offsets_rad: Array
    noise: Noise
    covariance: Array
    by_view: tuple[tuple[Array, Array], ...]

    def left_out(self) -> tuple[Array, Array]:
        """(N,) each: how far off [m], [rad] each target is where the others put it."""
        N = sum(A.T @ A for _, A in self.by_view) + _prior(len(self.covariance))
        expected = []
        for index, (r, A) in enumerate(self.by_view):
            step = -np.linalg.solve(N - A.T @ A, A.T @ r)
            X, Y = _moved(self.X, self.Y, step)
            expected.append(self.data.expected(X, Y)[index])
        return se3.errors(self.data.target_in_camera, np.array(expected))

    def surprise(self) -> Array:
        """(N,) squared distance of each target from where it should be; chi-squared, 6 freedoms."""
        squares = []
        for r, A in self.by_view:
            # X moves the target in all six ways: its columns span what a wrong pose would do.
            Q, _ = np.linalg.qr(A[:, :6])
            squares.append(float(np.sum((Q.T @ r) ** 2)))
        return np.array(squares)


def fit(data: HandEyeData, X: Array, Y: Array, joints: Joints | None = None) -> Fit:
    """The most likely solution near X and Y; with ``joints`` their offsets too."""
    offsets = np.zeros(0 if joints is None else joints.positions.shape[1])
    parameters = 12 + len(offsets)
    moved = data
    for _ in range(_ROUNDS):
        noise = estimate_noise(moved, X, Y, parameters)
        whiteners = _whiteners(moved, X, Y, noise)
        problem = _Problem(data, X, Y, offsets, whiteners, joints)
        start = np.zeros(parameters)
        step = least_squares(problem.residuals, start, problem.jacobian, method="lm").x
        X, Y = _moved(X, Y, step)
        offsets = offsets + step[12:]
        if joints is not None:
            moved = data.with_hands(joints.hands(offsets))
    problem = _Problem(data, X, Y, offsets, whiteners, joints)
    by_view = problem.by_view(np.zeros(parameters))
    information = sum(A.T @ A for _, A in by_view) + _prior(parameters)
    return Fit(moved, X, Y, offsets, noise, np.linalg.inv(information), by_view)


@dataclass(frozen=True)
class _Problem:
    """Whitened residuals around a solution; parameters are steps from it."""

    data: HandEyeData
    X: Array
    Y: Array
    offsets: Array
    whiteners: tuple[Array, ...]
    joints: Joints | None

    def residuals(self, step: Array) -> Array:
        parts = [r for r, _ in self.by_view(step)]
        return np.concatenate([*parts, (self.offsets + step[12:]) / _OFFSET_RAD])

    def jacobian(self, step: Array) -> Array:
        parts = [-A for _, A in self.by_view(step)]
        prior = np.hstack([np.zeros((len(self.offsets), 12)), np.eye(len(self.offsets))])
        return np.vstack([*parts, prior / _OFFSET_RAD])

    def by_view(self, step: Array) -> tuple[tuple[Array, Array], ...]:
        """Residual (m,) and how what is expected moves with the parameters (m, p)."""
        X, Y = _moved(self.X, self.Y, step)
        data = self.data
        if self.joints is not None:
            data = data.with_hands(self.joints.hands(self.offsets + step[12:]))
        expected = data.expected(X, Y)
        moves = self._moves(data, X, expected, self.offsets + step[12:])
        views = []
        for s, T, move, W in zip(data.sightings, expected, moves, self.whiteners, strict=True):
            views.append((W @ s.residual(T), W @ s.jacobian(T) @ move))
        return tuple(views)

    def _moves(self, data: HandEyeData, X: Array, expected: Array, offsets: Array) -> Array:
        """(N, 6, p) twists of the target in the camera."""
        by_X = np.broadcast_to(-np.eye(6), (len(expected), 6, 6))
        parts = [by_X, se3.adjoint(expected)]
        if self.joints is not None:
            parts.append(hand_to_target(data, X) @ self.joints.jacobians(offsets))
        return np.concatenate(parts, axis=2)


def _whiteners(data: HandEyeData, X: Array, Y: Array, noise: Noise) -> tuple[Array, ...]:
    """(m, m) of each view, which make its residuals' covariance the identity."""
    whiteners = []
    pairs = zip(data.sightings, data.expected(X, Y), hand_to_target(data, X), strict=True)
    for sighting, expected, by_hand in pairs:
        J = sighting.jacobian(expected) @ by_hand
        own = noise.target if sighting.base_variance is None else np.full(len(J), noise.pixel**2)
        covariance = (J * noise.hand) @ J.T + np.diag(own + 1e-12)
        whiteners.append(np.linalg.inv(np.linalg.cholesky(covariance)))
    return tuple(whiteners)


def _moved(X: Array, Y: Array, step: Array) -> tuple[Array, Array]:
    return X @ se3.change(step[:6]), Y @ se3.change(step[6:12])


def _prior(parameters: int) -> Array:
    return np.diag([0.0] * 12 + [_OFFSET_RAD**-2] * (parameters - 12))
