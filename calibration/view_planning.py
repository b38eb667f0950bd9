"""Where to bring the arm so that a camera sees a board from all sides."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from calibration.camera_setup import CalibrationScene
from pushcell import se3
from pushcell.arm.kinematics import ArmKinematics
from pushcell.errors import CalibrationError, PlanningError
from pushcell.geometry import Array, Pose

_TILT_RAD = 0.6
_DEPTHS_M = (0.28, 0.5)
_MARGIN_PX = 15
_CLEARANCE_M = 0.05
_CHECKS_ON_THE_WAY = 12
_TRIES_A_POSE = 25
_LONGEST_TURN_RAD = 1.6


def raised(kinematics: ArmKinematics, joints: Array, height_m: float = 0.2) -> Array:
    """The joints (n,) with the tip straight above where it is."""
    tip = kinematics.tip_pose(joints)
    return kinematics.solve(
        Pose(tip.translation + np.array([0, 0, height_m]), tip.rotation), joints
    )


def propose(
    scene: CalibrationScene, kinematics: ArmKinematics, start: Array, count: int, seed: int
) -> list[Array]:
    """Joints (n,) one after the other, from ``start`` on, each near the last one.

    From each there is a way back to the start.

    Raises CalibrationError where the arm can show too few views.
    """
    rng = np.random.default_rng(seed)
    # The way up in the image that is easy for the arm is how the board is seen from where it is.
    seen = scene.target_in_camera(kinematics.link_pose(start, scene.link).matrix())
    roll = float(np.arctan2(seen[1, 0] - seen[0, 1], seen[0, 0] + seen[1, 1]))
    found: list[Array] = []
    for _ in range(_TRIES_A_POSE * count):
        if len(found) == count:
            break
        near = found[-1] if found else start
        joints = _joints(scene, kinematics, _look(scene, roll, rng), near)
        if joints is not None and _free(scene, kinematics, start, joints):
            found.append(joints)
    chosen = _in_turn(scene, kinematics, start, found)
    if len(chosen) < count // 2:
        raise CalibrationError(
            f"the arm can show only {len(chosen)} of {count} views of the board: move board or "
            "camera to where the arm reaches, or check the poses that were given for them"
        )
    return chosen


def _in_turn(
    scene: CalibrationScene, kinematics: ArmKinematics, start: Array, found: list[Array]
) -> list[Array]:
    """Always the nearest to which there is a way; what is left without one is left out."""
    here, left, chosen = start, list(found), []
    while left:
        left.sort(key=lambda joints: float(np.abs(joints - here).max()))
        following = next((q for q in left if _free(scene, kinematics, here, q)), None)
        if following is None:
            break
        left = [q for q in left if q is not following]
        chosen.append(following)
        here = following
    return chosen


def _look(scene: CalibrationScene, roll: float, rng: np.random.Generator) -> Array:
    """(4, 4) a random pose of the board in the camera, whole in the image."""
    width, height = scene.board.size_m
    middle = np.array([width / 2, height / 2, 0])
    outline = np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]])
    while True:
        tilt = Rotation.from_rotvec([*rng.uniform(-_TILT_RAD, _TILT_RAD, 2), 0])
        turn = Rotation.from_rotvec([0, 0, roll + rng.uniform(-_TILT_RAD, _TILT_RAD)])
        R = (tilt * turn).as_matrix()
        ray = scene.lens.rays(rng.uniform([0, 0], scene.lens.size)[None])[0]
        pose = se3.transform(R, rng.uniform(*_DEPTHS_M) * ray - R @ middle)
        seen = scene.lens.project(outline @ R.T + pose[:3, 3])
        if (seen > _MARGIN_PX).all() and (seen < np.array(scene.lens.size) - _MARGIN_PX).all():
            return pose


def _joints(
    scene: CalibrationScene, kinematics: ArmKinematics, look: Array, near: Array
) -> Array | None:
    hand = scene.hand(look)
    # The solver wants the tip: it is fixed to the link.
    tip_in_link = se3.inverse(kinematics.link_pose(near, scene.link).matrix()) @ (
        kinematics.tip_pose(near).matrix()
    )
    try:
        joints = kinematics.solve(Pose.from_matrix(hand @ tip_in_link), near)
    except PlanningError:
        return None
    return joints if np.abs(joints - near).max() < _LONGEST_TURN_RAD else None


def _free(scene: CalibrationScene, kinematics: ArmKinematics, here: Array, there: Array) -> bool:
    """Whether tip and board stay over the table on the straight way of the joints."""
    for share in np.linspace(0, 1, _CHECKS_ON_THE_WAY)[1:]:
        joints = here + share * (there - here)
        lowest = kinematics.tip_pose(joints).translation[2]
        if scene.setup == "eye-to-hand":
            hand = kinematics.link_pose(joints, scene.link).matrix()
            lowest = min(lowest, scene.corners_in_base(hand)[:, 2].min())
        if lowest < _CLEARANCE_M:
            return False
    return True
