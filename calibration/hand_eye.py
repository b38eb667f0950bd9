"""Hand-eye calibration: where the camera is, how well that is known, and which poses do not fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from calibration.hand_eye_data import FEWEST_POSES, HandEyeData, Indices, Mask
from calibration.hand_eye_fit import HandEyeFit, Joints, fit
from calibration.hand_eye_mistakes import cause_of_misfit
from calibration.hand_eye_start import (
    SOLVERS,
    consensus,
    require_turns,
    second_turn_rad,
    solve,
)
from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.errors import CalibrationError
from pushcell.geometry import Array

# One good pose in so many calibrations may be called an outlier.
_FALSE_ALARM = 0.01
_GOOD_SECOND_TURN_RAD = np.radians(10.0)
_FEW_POSES = 12
# A scale is off where it is so many deviations, and at least so much, from 1.
_CERTAIN, _SMALLEST_SCALE_ERROR = 5.0, 0.005


@dataclass(frozen=True)
class Outlier:
    """A pose that was left out, and how far the target is from where the others put it."""

    name: str
    off_m: float
    off_rad: float


@dataclass(frozen=True)
class BoardScale:
    """How large the board is by the arm's poses, in parts of its description.

    A focal length that is off by as much looks the same.
    """

    value: float
    deviation: float

    @property
    def problem(self) -> str:
        """What the data say against the description; empty where they do not."""
        off = self.value - 1.0
        if abs(off) < max(_CERTAIN * self.deviation, _SMALLEST_SCALE_ERROR):
            return ""
        return (
            f"the board is {abs(off):.1%} {'smaller' if off < 0 else 'larger'} than described "
            f"(± {self.deviation:.1%}), or the lens's focal length is off by as much: measure the "
            "board's squares, and give their true size"
        )


@dataclass(frozen=True)
class HandEye:
    """The result. ``fit`` is over the views that are used; distances are per view (n,)."""

    fit: HandEyeFit
    outliers: tuple[Outlier, ...]
    residual_m: Array
    residual_rad: Array
    left_out_m: Array
    left_out_rad: Array
    second_turn_rad: float
    solvers: dict[str, tuple[Array, Array]]
    scale: BoardScale | None

    @property
    def camera(self) -> Array:
        """(4, 4) the camera in the base (eye to hand) or in the hand (eye in hand)."""
        return self.fit.solution.X

    @property
    def lens(self) -> Lens | None:
        """As it fits the arm's poses too, where it was free."""
        return self.fit.solution.lens

    @property
    def covariance(self) -> Array:
        """(6, 6) of the camera: rotation vector [rad], shift [m], in the camera's own axes."""
        return self.fit.covariance[:6, :6]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the result worse than it could be, in words."""
        found = []
        if self.second_turn_rad < _GOOD_SECOND_TURN_RAD:
            found.append(
                f"the hand turns by only {np.degrees(self.second_turn_rad):.1f} deg about its "
                "second axis: turn it by 20 deg or more about at least two"
            )
        if len(self.residual_m) < _FEW_POSES:
            found.append(f"only {len(self.residual_m)} poses: 15 to 25 are good")
        return tuple(found)


def calibrate_hand_eye(
    data: HandEyeData, joints: Joints | None = None, free_lens: bool = False
) -> HandEye:
    """Calibrate; with ``joints`` their offsets are estimated too, with ``free_lens`` the lens.

    Raises CalibrationError for poses that cannot tell where the camera is.
    """
    require_turns(data)
    data, X, Y, agree = _consensus(data)
    while True:
        used = np.flatnonzero(agree)
        if len(used) < FEWEST_POSES:
            raise CalibrationError(
                f"only {len(used)} of {len(agree)} poses agree with each other: take them again, "
                "with arm and board at rest in each"
            )
        some_joints = None if joints is None else joints.subset(used)
        fitted = fit(data.subset(used), X, Y, some_joints, free_lens)
        surprise = fitted.surprise()
        worst = int(np.argmax(surprise))
        if surprise[worst] < chi2.ppf(1 - _FALSE_ALARM / len(used), 6):
            break
        agree = agree.copy()
        agree[used[worst]] = False
    scale = None if free_lens else _scale(fitted, data.subset(used), some_joints)
    return _result(data, fitted, np.flatnonzero(~agree), joints, scale)


def _scale(fitted: HandEyeFit, data: HandEyeData, joints: Joints | None) -> BoardScale:
    """The board's scale, fitted to the same views as the result, from there on."""
    solution = fitted.solution
    freed = fit(data, solution.X, solution.Y, joints, free_scale=True)
    assert freed.solution.scale is not None
    return BoardScale(freed.solution.scale, float(np.sqrt(freed.covariance[-1, -1])))


def _consensus(data: HandEyeData) -> tuple[HandEyeData, Array, Array, Mask]:
    try:
        return consensus(data)
    except CalibrationError as error:
        raise CalibrationError(cause_of_misfit(data) or f"{error}") from None


def _result(
    data: HandEyeData,
    fitted: HandEyeFit,
    out: Indices,
    joints: Joints | None,
    scale: BoardScale | None,
) -> HandEye:
    solution = fitted.solution
    data = solution.seen(data, joints)
    off_m, off_rad = se3.errors(data.target_in_camera, data.expected(solution.X, solution.Y))
    used = np.setdiff1d(np.arange(len(off_m)), out)
    left_out_m, left_out_rad = fitted.left_out()
    return HandEye(
        fit=fitted,
        outliers=tuple(Outlier(data.names[i], float(off_m[i]), float(off_rad[i])) for i in out),
        residual_m=off_m[used],
        residual_rad=off_rad[used],
        left_out_m=left_out_m,
        left_out_rad=left_out_rad,
        second_turn_rad=second_turn_rad(fitted.data),
        solvers=_solvers(fitted.data),
        scale=scale,
    )


def _solvers(data: HandEyeData) -> dict[str, tuple[Array, Array]]:
    """X and Y (4, 4) of each of OpenCV's solvers that comes to one."""
    found = {name: solve(data, name) for name in SOLVERS}
    return {name: solution for name, solution in found.items() if solution is not None}
