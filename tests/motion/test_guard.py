"""The motion guard: what moves the arm, what ends that, and where it stands then."""

import numpy as np
import pytest

from pushcell.action_chunk import ActionChunk
from pushcell.motion.guard import Phase, Source
from pushcell.motion.reasons import Reason
from tests.motion.rig import PERIOD_S, Rig, assert_stopped


def test_it_starts_stopped_and_nothing_moves(cell, kinematics):
    rig = Rig(cell, kinematics)
    rig.run(0.1)
    assert rig.guard.state.phase is Phase.STOPPED
    assert rig.guard.select(Source.HOME) is Reason.EMERGENCY_STOP
    rig.run(0.5)
    assert np.ptp(rig.tips, axis=0).max() < 1e-6


def test_without_an_arm_there_is_no_command(cell, kinematics):
    rig = Rig(cell, kinematics)
    rig.arm_reports = False
    rig.run(0.2)
    assert rig.tips == []
    assert rig.guard.state.phase is Phase.NO_ARM
    assert rig.guard.select(Source.POLICY) is Reason.ARM_STATUS_OLD


def test_the_first_command_is_where_the_arm_is(cell, kinematics):
    rig = Rig(cell, kinematics)
    rig.q = rig.q + 0.01
    measured = rig.q
    rig.tick()
    assert np.abs(rig.q - measured).max() < 2e-3


def test_an_arm_outside_the_workspace_is_not_moved(cell, kinematics):
    rig = Rig(cell, kinematics)
    rig.q = kinematics.solve(kinematics.pusher_posture([0.45, 0.37]), rig.q)
    rig.run(0.1)
    assert rig.tips == []
    assert rig.guard.state.reason is Reason.OUTSIDE_WORKSPACE


def test_it_follows_the_policy(rig):
    chunk = rig.drive_policy(1.55)
    assert np.linalg.norm(rig.tips[-1] - chunk.positions[-1]) < 4e-3


def test_home_is_reached(rig):
    rig.drive_policy(1.0)
    assert rig.guard.select(Source.HOME) is None
    rig.run(0.4)
    assert rig.guard.state.phase is Phase.MOVING
    rig.settle()
    assert rig.guard.state.reason is Reason.AT_HOME
    assert np.linalg.norm(rig.tips[-1] - rig.cell.task.pusher_home_m) < 2e-3


def test_an_unselected_source_moves_nothing(rig):
    chunk = rig.chunk()
    rig.resend(chunk, 0.5)
    assert rig.guard.state.phase is Phase.HOLDING
    assert rig.speed < 1e-4


def test_a_malformed_command_stops(rig):
    rig.drive_policy()
    rig.guard.on_malformed(Source.POLICY)
    assert_stopped(rig, Reason.NOT_FINITE)


def test_two_publishers_stop(rig):
    rig.drive_policy()
    rig.guard.on_publishers(Source.POLICY, 2)
    assert_stopped(rig, Reason.TWO_PUBLISHERS)
    assert rig.guard.select(Source.POLICY) is Reason.TWO_PUBLISHERS


def test_a_clock_that_goes_back_stops(rig):
    rig.drive_policy()
    rig.now -= 10
    rig.tick()
    assert rig.guard.state.source is Source.HOLD
    rig.settle()
    assert rig.guard.state.reason in (Reason.CLOCK_JUMPED, Reason.ARM_STATUS_OLD)


@pytest.mark.parametrize(("held_up_s", "goes_on"), [(0.04, True), (0.07, False), (0.3, False)])
def test_a_guard_that_was_held_up_goes_on_only_while_the_driver_did_not_stop(
    rig, held_up_s, goes_on
):
    chunk = rig.drive_policy()
    rig.now += held_up_s
    rig.guard.on_chunk(rig.now, chunk)
    rig.tick()
    if goes_on:
        assert rig.guard.state.phase is Phase.MOVING
    else:
        assert_stopped(rig, Reason.HELD_UP)


def test_a_turn_that_begins_after_a_hold_up_is_not_ended_by_it(rig):
    rig.drive_policy()
    rig.guard.select(Source.HOLD)
    rig.settle()
    rig.now += 0.3
    assert rig.guard.select(Source.POLICY) is None
    rig.resend(rig.chunk(), 0.3)
    assert rig.guard.state.phase is Phase.MOVING


def test_another_source_begins_after_a_stop(rig):
    rig.drive_policy()
    assert rig.guard.select(Source.HOME) is None
    rig.tick()
    assert rig.guard.state.reason is Reason.SOURCE_SWITCHED
    assert rig.guard.state.phase is Phase.STOPPING
    speeds = []
    while rig.guard.state.reason is not Reason.AT_HOME:
        rig.tick()
        speeds.append(rig.speed)
    assert min(speeds[:30]) < 1e-3, "it came to rest first"
    assert max(speeds) > 0.05


def test_hold_stops(rig):
    rig.drive_policy()
    rig.guard.select(Source.HOLD)
    assert_stopped(rig, Reason.HOLD_REQUESTED)


def test_the_emergency_stop_latches(rig):
    rig.drive_policy()
    rig.guard.emergency_stop.set_pressed("A", True)
    assert_stopped(rig, Reason.EMERGENCY_STOP)
    assert rig.guard.state.phase is Phase.STOPPED
    assert "still pressed" in rig.guard.emergency_stop.release()
    rig.guard.emergency_stop.set_pressed("A", False)
    rig.run(0.1)
    assert rig.guard.state.phase is Phase.STOPPED, "letting go of the button releases nothing"
    assert rig.guard.emergency_stop.release() is None
    rig.run(0.1)
    assert rig.guard.state.phase is Phase.HOLDING
    rig.drive_policy()


def test_the_whole_workspace_is_driven_within_the_joint_limits(rig, kinematics):
    corners = rig.cell.workspace.polygon.inset(rig.cell.workspace.margin_m + 0.001).vertices
    velocity_limits = np.array(rig.cell.arm.joint_velocity_limits_rad_s)
    rig.guard.select(Source.POLICY)
    for corner in [*corners, *corners[::3], *corners[::-2]]:
        way = corner - rig.guard.tip
        duration_s = np.linalg.norm(way) / 0.17 + 0.3
        began, before = rig.now, rig.guard.tip
        while rig.now < began + duration_s:
            elapsed_s = rig.now - began + np.array([0.0, 0.1, 0.2])
            shares = np.minimum(1.0, elapsed_s / (duration_s - 0.3))
            chunk = ActionChunk.at_rate(rig.now, rig.now, 10.0, before + shares[:, None] * way)
            rig.guard.on_chunk(rig.now, chunk)
            last = rig.q
            rig.tick()
            assert (np.abs(rig.q - last) / PERIOD_S <= 0.8 * velocity_limits).all()
            assert rig.guard.state.source is Source.POLICY, rig.guard.state
            assert np.linalg.norm(rig.tips[-1] - rig.guard.tip) < 5e-4
        pose = kinematics.tip_pose(rig.q)
        assert np.linalg.norm(pose.translation[:2] - corner) < 0.02
        assert abs(pose.translation[2] - rig.cell.pusher.tip_height_m) < 2e-4
