"""What the arm reports: silent, frozen, elsewhere, or of other joints."""

import numpy as np
import pytest

from pushcell.motion.guard import Phase, Source
from pushcell.motion.reasons import Reason


def test_a_silent_arm_stops_and_is_met_again_where_it_is(rig):
    rig.drive_policy()
    rig.arm_reports = False
    assert_lost = rig.now
    while rig.guard.state.phase is not Phase.NO_ARM:
        rig.tick()
    assert rig.now - assert_lost <= rig.cell.motion.arm_status_age_s + 0.3
    assert rig.guard.state.reason is Reason.ARM_STATUS_OLD
    rig.q = rig.q + 0.005  # moved by hand meanwhile
    rig.arm_reports = True
    rig.tick()
    assert rig.guard.state.phase is Phase.HOLDING
    assert rig.guard.state.reason is Reason.NOT_SELECTED


def test_an_arm_that_does_not_follow_stops(rig):
    rig.drive_policy()
    rig.q = rig.q + np.array([0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.0])
    rig.tick()
    assert rig.guard.state.reason is Reason.ARM_OFF_COMMAND
    assert rig.guard.state.source is Source.HOLD


def test_an_arm_moved_by_hand_is_met_where_it_is(rig):
    moved = rig.q + np.array([0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.0])
    rig.q = moved
    rig.run(0.05)
    assert rig.guard.state.phase is Phase.HOLDING
    assert np.abs(rig.q - moved).max() < 0.02
    assert rig.guard.select(Source.HOME) is None


def test_reports_that_freeze_stop(rig):
    rig.drive_policy()
    measured, began = rig.q, rig.tips[-1]
    speed = rig.speed
    for _ in range(100):
        rig.resend(rig.chunk(), 0.01)
        rig.q = measured
    assert rig.guard.state.reason is Reason.ARM_FROZEN
    assert rig.guard.state.source is Source.HOLD
    assert np.linalg.norm(rig.tips[-1] - began) < 0.5 * speed


def test_an_arm_that_may_rest_is_not_frozen(rig):
    rig.guard.select(Source.POLICY)
    for _ in range(40):
        rig.resend(rig.chunk(offset=(0.0, 0.0)), 0.1)
    assert rig.guard.state.source is Source.POLICY


NAMES = [f"joint_{number}" for number in range(1, 8)]


@pytest.mark.parametrize(
    "names",
    [
        [f"panda_joint{number}" for number in range(1, 8)],
        NAMES[:6],
        [*NAMES, "joint_8"],
        ["joint_1"] * 7,
        [],
    ],
)
def test_reports_of_other_joints_are_none(rig, names):
    rig.drive_policy()
    rig.arm_reports = False
    for _ in range(20):
        rig.guard.on_arm_status(rig.now, rig.q[: len(names)], names)
        rig.tick()
    assert rig.guard.state.reason is Reason.OTHER_JOINTS
    assert rig.guard.state.source is Source.HOLD


def test_other_joints_beside_the_arms_own_hold_nobody_up(rig):
    chunk = rig.drive_policy()
    for _ in range(8):
        rig.guard.on_arm_status(rig.now, np.zeros(7), [f"other_{name}" for name in NAMES])
        rig.resend(chunk, 0.05)
    assert rig.guard.state.phase is Phase.MOVING


def test_joints_are_known_by_their_names(rig):
    rig.drive_policy()
    rig.arm_reports = False
    for _ in range(20):
        rig.guard.on_arm_status(rig.now, rig.q[::-1], NAMES[::-1])
        rig.resend(rig.chunk(), 0.01)
    assert rig.guard.state.phase is Phase.MOVING
