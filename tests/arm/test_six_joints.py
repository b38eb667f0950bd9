"""A UR5e, which has six joints: its model against the maker's table, and its way over the table."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig, load_cell
from pushcell.geometry import Array
from pushcell.motion.guard import MotionGuard, Phase, Reason, Source
from tests.arm.test_kinematics import grid
from tests.motion.rig import Rig

# d [m], a [m], alpha [rad] of each joint, as the maker publishes them.
_DENAVIT_HARTENBERG = (
    (0.1625, 0.0, math.pi / 2),
    (0.0, -0.425, 0.0),
    (0.0, -0.3922, 0.0),
    (0.1333, 0.0, math.pi / 2),
    (0.0997, 0.0, -math.pi / 2),
    (0.0996, 0.0, 0.0),
)

joints = st.tuples(*[st.floats(-math.pi, math.pi)] * 6)


@pytest.fixture(scope="module")
def cell() -> CellConfig:
    return load_cell("ur5e_sim")


@pytest.fixture(scope="module")
def kinematics(cell: CellConfig) -> ArmKinematics:
    return ArmKinematics(cell)


@pytest.fixture(scope="module")
def freely_turning(cell: CellConfig) -> CellConfig:
    return cell.changed(pusher=cell.pusher.changed(tip_yaw_free=True).model_dump())


def flange_by_the_table(q: Array) -> Array:
    """(4, 4) pose of the flange in a base that looks to the front: half a turn from the table's."""
    pose = np.diag([-1.0, -1.0, 1.0, 1.0])
    for (d, a, alpha), angle in zip(_DENAVIT_HARTENBERG, q, strict=True):
        c, s, ca, sa = math.cos(angle), math.sin(angle), math.cos(alpha), math.sin(alpha)
        pose = pose @ np.array(
            [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]]
        )
    return pose


@given(q=joints)
@settings(max_examples=30)
def test_the_model_is_that_of_the_makers_table(kinematics: ArmKinematics, q) -> None:
    flange = kinematics.link_pose(q, "tool0").matrix()
    np.testing.assert_allclose(flange, flange_by_the_table(q), atol=1e-9)


def test_the_whole_workspace_is_crossed_within_the_joint_limits(
    kinematics: ArmKinematics, cell: CellConfig
) -> None:
    """To and fro at full speed, each solution sought from the one before."""
    columns: dict[float, list[tuple[float, float]]] = {}
    for x, y in grid(cell, 0.04):
        columns.setdefault(x, []).append((x, y))
    path = [p for i, c in enumerate(columns.values()) for p in (c if i % 2 == 0 else c[::-1])]
    limits = np.array(cell.arm.joint_velocity_limits_rad_s)
    q = kinematics.home_joints(path[0])
    for here, there in itertools.pairwise(path):
        following = kinematics.follow(kinematics.pusher_posture(there), q)
        assert (following >= kinematics.lower_rad).all()
        assert (following <= kinematics.upper_rad).all()
        duration_s = math.dist(here, there) / cell.motion.policy.speed_m_s
        assert (np.abs(following - q) <= limits * duration_s).all()
        np.testing.assert_allclose(kinematics.tip_pose(following).translation[:2], there, atol=1e-5)
        q = following


def test_the_tip_keeps_to_its_yaw_without_a_spare_joint(
    cell: CellConfig, kinematics: ArmKinematics
) -> None:
    rig = Rig(cell, kinematics).released()
    rig.drive_policy(1.0)
    posture = kinematics.pusher_posture(rig.tips[-1])
    np.testing.assert_allclose(kinematics.tip_pose(rig.q).matrix(), posture.matrix(), atol=1e-4)
    way = rig.tips[-1] - rig.tips[0]
    assert way[1] < -0.05
    assert abs(way[0]) < 1e-4
    assert rig.settle() < 0.5
    assert rig.guard.state.reason is Reason.COMMAND_SILENT


def test_a_report_of_seven_joints_is_of_another_arm(
    cell: CellConfig, kinematics: ArmKinematics
) -> None:
    guard = MotionGuard(cell, kinematics, require_deadman=False)
    guard.on_arm_status(1.0, np.zeros(7))
    assert guard.tick(1.0) is None
    assert guard.state.reason is Reason.OTHER_JOINTS
    q = kinematics.home_joints(cell.task.pusher_home_m)
    guard.on_arm_status(1.01, q[::-1], kinematics.joint_names[::-1])
    target = guard.tick(1.01)
    assert target is not None
    np.testing.assert_allclose(target.position, q, atol=1e-9)


def test_a_tip_of_free_yaw_leaves_the_last_joint_where_it_is(freely_turning: CellConfig) -> None:
    arm = ArmKinematics(freely_turning)
    nominal = np.array(freely_turning.arm.nominal_joints_rad)
    for xy in ((0.75, 0.15), (0.5, -0.3)):
        q = arm.home_joints(xy)
        tip = arm.tip_pose(q)
        np.testing.assert_allclose(tip.matrix(), arm.pusher_posture(xy, tip).matrix(), atol=1e-5)
        assert abs(q[5] - nominal[5]) < 1e-3
    assert abs(tip.rotation[1, 0] - arm.pusher_posture(xy).rotation[1, 0]) > 0.1


def test_a_tip_of_free_yaw_is_carried_along_straight_down(freely_turning: CellConfig) -> None:
    arm = ArmKinematics(freely_turning)
    rig = Rig(freely_turning, arm).released()
    assert rig.guard.select(Source.POLICY) is None
    rig.resend(rig.chunk(offset=(0.1, -0.2), horizon_s=2.0), 1.9)
    assert rig.guard.state.phase is Phase.MOVING
    tip = arm.tip_pose(rig.q)
    np.testing.assert_allclose(tip.rotation[:, 2], [0, 0, -1], atol=1e-4)
    assert tip.translation[2] == pytest.approx(freely_turning.pusher.tip_height_m, abs=1e-4)
    turned = tip.rotation.T @ arm.pusher_posture(rig.tips[-1]).rotation
    assert abs(math.atan2(turned[1, 0], turned[0, 0])) > 0.05, "the yaw is left to the arm"
