"""How noisy the arm's poses and the sightings are, estimated from what a solution leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from calibration.hand_eye_data import HandEyeData, pose_jacobian
from pushcell import se3
from pushcell.geometry import Array

_LEAST = 1e-6  # [rad] and [m]: nothing is known better
_MOST = 0.1


@dataclass(frozen=True)
class Noise:
    """Standard deviations [rad], [m] on each axis; of the hand, and of targets given as poses.

    ``pixel`` [px] is of one coordinate of a corner.
    """

    hand_rad: float
    hand_m: float
    target_rad: float
    target_m: float
    pixel: float

    @property
    def hand(self) -> Array:
        """(6,) variances of a twist of the hand, in its own axes."""
        return np.repeat([self.hand_rad, self.hand_m], 3) ** 2

    @property
    def target(self) -> Array:
        """(6,) variances of a pose that was given."""
        return np.repeat([self.target_rad, self.target_m], 3) ** 2


def hand_to_target(data: HandEyeData, X: Array) -> Array:
    """(N, 6, 6): the twist of the target in the camera that a twist of the hand makes."""
    if data.setup == "eye-in-hand":
        return np.broadcast_to(-se3.adjoint(se3.inverse(X)), (len(data.names), 6, 6))
    return se3.adjoint(se3.inverse(X) @ data.hand_in_base)


def estimate_noise(data: HandEyeData, X: Array, Y: Array, parameters: int) -> Noise:
    """The most likely noise; ``parameters`` were fitted to the same data."""
    seen = data.pose_residuals(X, Y)
    # What was fitted took its share of the noise with it.
    seen = seen * np.sqrt(seen.size / (seen.size - parameters))
    expected = data.expected(X, Y)
    J = pose_jacobian(expected)
    by_hand = J @ hand_to_target(data, X)
    pixel = _pixel_noise(data)
    known = _by_corners(data, expected, pixel)

    def cost(logarithms: Array) -> float:
        deviations = np.exp(logarithms)
        hand = np.repeat(deviations[:2], 3) ** 2
        target = np.zeros(6) if pixel else np.repeat(deviations[2:], 3) ** 2
        C = known + (by_hand * hand) @ np.swapaxes(by_hand, 1, 2) + np.diag(target)
        L = np.linalg.cholesky(C + _LEAST**2 * np.eye(6))
        white = np.linalg.solve(L, seen[:, :, None])
        return float(2 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum() + (white**2).sum())

    typical = np.sqrt(np.mean(seen[:, :3] ** 2)), np.sqrt(np.mean(seen[:, 3:] ** 2))
    start = np.log(np.clip(np.tile(typical, 1 if pixel else 2) / 1.4, 2 * _LEAST, _MOST / 2))
    bounds = [(np.log(_LEAST), np.log(_MOST))] * len(start)
    # Without derivatives: where one noise hides behind another the cost is flat.
    options = {"xatol": 0.01, "fatol": 0.01}
    best = minimize(cost, start, method="Nelder-Mead", bounds=bounds, options=options)
    found = np.exp(best.x)
    hand_rad, hand_m, target_rad, target_m = found if len(found) == 4 else (*found, 0.0, 0.0)
    return Noise(float(hand_rad), float(hand_m), float(target_rad), float(target_m), pixel)


def explained_errors(data: HandEyeData, X: Array, Y: Array, hand: Array) -> tuple[float, float]:
    """RMS [m], [rad] of what noise lets each target be off: that which was measured in the
    corners, and that of a hand with such variances (6,) of a twist."""
    expected = data.expected(X, Y)
    by_hand = pose_jacobian(expected) @ hand_to_target(data, X)
    C = _by_corners(data, expected, _pixel_noise(data))
    C += (by_hand * hand) @ np.swapaxes(by_hand, 1, 2)
    variances = np.diagonal(C, axis1=1, axis2=2)
    square_rad, square_m = variances[:, :3].sum(axis=1), variances[:, 3:].sum(axis=1)
    return float(np.sqrt(square_m.mean())), float(np.sqrt(square_rad.mean()))


def _by_corners(data: HandEyeData, expected: Array, pixel: float) -> Array:
    """(N, 6, 6) covariance of each target's residual that noisy corners make; 0 of mere poses."""
    found = np.zeros((len(expected), 6, 6))
    if pixel:
        J = pose_jacobian(expected)
        for i, sighting in enumerate(data.sightings):
            P = sighting.jacobian(expected[i])
            found[i] = pixel**2 * J[i] @ np.linalg.solve(P.T @ P, J[i].T)
    return found


def _pixel_noise(data: HandEyeData) -> float:
    variances = [s.base_variance for s in data.sightings if s.base_variance is not None]
    return float(np.sqrt(np.mean(variances))) if variances else 0.0
