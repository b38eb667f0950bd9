"""A first hand-eye solution that bad poses and boards seen turned round do not spoil."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np

from calibration.hand_eye_data import HandEyeData, Mask, pose_residual
from pushcell import se3
from pushcell.errors import CalibrationError
from pushcell.geometry import Array

SOLVERS = {
    "TSAI": cv2.CALIB_HAND_EYE_TSAI,
    "PARK": cv2.CALIB_HAND_EYE_PARK,
    "HORAUD": cv2.CALIB_HAND_EYE_HORAUD,
    "ANDREFF": cv2.CALIB_HAND_EYE_ANDREFF,
    "DANIILIDIS": cv2.CALIB_HAND_EYE_DANIILIDIS,
}
# A millimetre counts as much as a thousandth of this length turned: the size of a board.
_LEVER_M = 0.2
_SMALLEST_SECOND_TURN_RAD = np.radians(1.0)
_SUBSET = 4
_TRIES = 150
_SPREADS = 3.5
_SMALLEST_SPREAD_M = 1e-5
_FEWEST_AGREEING = 0.6
# What agrees worse than this is no calibration of anything.
_LOOSEST_M = 0.03


def solve(data: HandEyeData, solver: str = "PARK") -> tuple[Array, Array] | None:
    """X and Y (4, 4) by one of OpenCV's solvers; None where it fails."""
    return _solve(data.carrier, data.target_in_camera, solver)


def _solve(G: Array, T: Array, solver: str = "PARK") -> tuple[Array, Array] | None:
    try:
        R, t = cv2.calibrateHandEye(
            G[:, :3, :3], G[:, :3, 3], T[:, :3, :3], T[:, :3, 3], method=SOLVERS[solver]
        )
    except cv2.error:
        return None
    if not (np.isfinite(R).all() and np.isfinite(t).all()) or abs(np.linalg.det(R) - 1) > 1e-3:
        return None
    X = se3.transform(R, t.ravel())
    return X, se3.mean(G @ X @ T)


def second_turn_rad(data: HandEyeData) -> float:
    """How far [rad, RMS] the hand turns about the second of its axes; 0 if all are parallel."""
    R = data.hand_in_base[:, :3, :3]
    relative = (R[:, None] @ np.swapaxes(R, 1, 2)[None]).reshape(-1, 3, 3)
    turns = se3.difference(se3.transform(relative, np.zeros((len(relative), 3))))[:, :3]
    return float(np.sqrt(np.linalg.eigvalsh(turns.T @ turns / len(turns))[1]))


def require_turns(data: HandEyeData) -> None:
    """Raise CalibrationError where the hand's turns cannot tell the camera's pose."""
    second = second_turn_rad(data)
    if second < _SMALLEST_SECOND_TURN_RAD:
        raise CalibrationError(
            f"the poses turn the hand about one axis only ({np.degrees(second):.2f} deg about any "
            "other), so the camera's pose cannot be told: turn it by 20 deg or more about at least "
            "two axes"
        )


def consensus(data: HandEyeData, seed: int = 0) -> tuple[HandEyeData, Array, Array, Mask]:
    """Data with every board the same way round, X, Y, and which views agree (N,) bool.

    Raises CalibrationError where no solution explains most of the views.
    """
    rng = np.random.default_rng(seed)
    G, ways = data.carrier, _ways(data)
    flips = [(0, *rest) for rest in product(range(len(ways)), repeat=_SUBSET - 1)]
    best: tuple[float, Array, Array] | None = None
    for _ in range(_TRIES // len(ways)):
        chosen = rng.choice(len(G), _SUBSET, replace=False)
        for flip in flips:
            found = _solve(G[chosen], ways[list(flip), chosen])
            if found is None:
                continue
            score = float(np.median(_disagreement(G, ways, *found).min(axis=0)))
            if best is None or score < best[0]:
                best = score, *found
    if best is None:
        raise _no_agreement(0, len(G))
    return _settle(data, best[1], best[2])


def _settle(data: HandEyeData, X: Array, Y: Array) -> tuple[HandEyeData, Array, Array, Mask]:
    """Solve again with all that agree, until they stay the same."""
    G, ways = data.carrier, _ways(data)
    agree = np.zeros(len(G), dtype=bool)
    for _ in range(10):
        off = _disagreement(G, ways, X, Y)
        way, off = off.argmin(axis=0), off.min(axis=0)
        before, agree = agree, off < _limit(off)
        if agree.sum() < max(_SUBSET, _FEWEST_AGREEING * len(G)):
            raise _no_agreement(int(agree.sum()), len(G))
        if (agree == before).all():
            break
        chosen = np.flatnonzero(agree)
        found = _solve(G[chosen], ways[way[chosen], chosen])
        if found is None:
            raise _no_agreement(len(chosen), len(G))
        X, Y = found
    return data.turned(way == 1), X, Y, agree


def _ways(data: HandEyeData) -> Array:
    """(1 or 2, N, 4, 4) the target in the camera, either way round where it looks the same."""
    seen = data.target_in_camera
    return seen[None] if data.half_turn is None else np.stack([seen, seen @ data.half_turn])


def _disagreement(G: Array, ways: Array, X: Array, Y: Array) -> Array:
    """(ways, N) how far off each target is [m], turns counted at a lever."""
    off = pose_residual(ways, se3.inverse(G @ X) @ Y)
    return np.linalg.norm(off * ([_LEVER_M] * 3 + [1.0] * 3), axis=-1)


def _limit(off: Array) -> float:
    spread = max(1.4826 * float(np.median(off)), _SMALLEST_SPREAD_M)
    return min(_SPREADS * spread, _LOOSEST_M)


def _no_agreement(agreeing: int, count: int) -> CalibrationError:
    return CalibrationError(
        f"only {agreeing} of {count} poses agree on any camera pose: do the poses belong to the "
        "images, in this order; are they hand in base, in metres; is --setup right; was the board "
        "held fast, and is its square's size right?"
    )
