import numpy as np
import pytest

from pushcell.action_chunk import ActionChunk
from pushcell.arm.kinematics import ArmKinematics
from pushcell.motion.guard import Phase, Source
from pushcell.motion.reasons import Reason
from tests.motion.rig import PERIOD_S, Rig


@pytest.fixture(scope="module")
def kinematics(cell):
    return ArmKinematics(cell)


@pytest.fixture
def rig(cell, kinematics):
    return Rig(cell, kinematics).released()


@pytest.fixture
def operated(cell, kinematics):
    """A rig whose operator must hold the deadman, and does."""
    rig = Rig(cell, kinematics, require_deadman=True)
    rig.deadman = True
    return rig.released()


def assert_stopped(rig: Rig, reason: Reason, limit_s: float = 0.0) -> None:
    """It comes to a stop with a reason, within 300 ms of the watchdog's limit, straight on."""
    before = rig.tips[-1] - rig.tips[-2]
    took_s = rig.settle()
    assert rig.guard.state.reason is reason
    assert rig.guard.state.source is Source.HOLD
    assert took_s <= limit_s + 0.3
    way = rig.tips[-1] - rig.tips[-round(took_s / PERIOD_S) - 1]
    across = way @ [-before[1], before[0]] / np.linalg.norm(before)
    assert abs(across) < 2e-3
    rig.run(0.5)
    assert rig.speed < 1e-4


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


def test_silence_stops(rig):
    rig.drive_policy()
    assert_stopped(rig, Reason.COMMAND_SILENT, rig.cell.motion.command_silence_s)


def test_an_exhausted_chunk_stops_and_the_next_one_goes_on(rig):
    rig.guard.select(Source.POLICY)
    fast = rig.chunk(offset=(0.0, -0.06), horizon_s=0.4)
    cut_short = ActionChunk(fast.capture_s, fast.times_s[:-1], fast.positions[:-1])
    rig.resend(cut_short, 1.5)
    assert rig.guard.state.source is Source.POLICY
    assert rig.guard.state.reason is Reason.CHUNK_EXHAUSTED
    assert rig.speed < 1e-4
    rig.resend(rig.chunk(), 0.3)
    assert rig.guard.state.phase is Phase.MOVING


def test_a_late_new_chunk_does_not_end_a_turn_whose_old_one_lasts(rig):
    rig.drive_policy()
    tips = len(rig.tips)
    rig.guard.on_chunk(rig.now, rig.chunk(age_s=0.16))
    assert rig.guard.state.reason is Reason.OBSERVATION_OLD, "it is told"
    rig.run(0.05)
    assert rig.guard.state.source is Source.POLICY
    assert rig.guard.state.phase is Phase.MOVING
    # On along the old chunk's straight way, as evenly as before.
    steps = np.linalg.norm(np.diff(rig.tips[tips - 2 :], axis=0), axis=1)
    assert np.ptp(steps) < 1e-4


def test_where_only_late_chunks_come_the_arm_rests_when_the_old_one_is_over(rig):
    chunk = rig.drive_policy()
    while rig.now < chunk.end_s + 0.4:
        rig.guard.on_chunk(rig.now, rig.chunk(age_s=0.16))
        rig.tick()
    assert rig.guard.state.reason is Reason.OBSERVATION_OLD
    assert rig.speed < 1e-4


def test_an_old_first_observation_is_waited_out(rig):
    rig.guard.select(Source.POLICY)
    rig.resend(rig.chunk(age_s=0.16), 0.1)
    assert rig.guard.state.reason is Reason.OBSERVATION_OLD
    assert rig.speed < 1e-4
    rig.resend(rig.chunk(), 0.3)
    assert rig.guard.state.phase is Phase.MOVING


def test_a_chunk_out_of_order_stops(rig):
    rig.drive_policy()
    rig.guard.on_chunk(rig.now, rig.chunk(age_s=0.6))
    assert_stopped(rig, Reason.OUT_OF_ORDER)


def test_a_malformed_command_stops(rig):
    rig.drive_policy()
    rig.guard.on_malformed(Source.POLICY)
    assert_stopped(rig, Reason.NOT_FINITE)


def test_a_target_far_outside_stops_and_one_just_outside_is_met_at_the_edge(rig):
    rig.drive_policy()
    chunk = rig.chunk(offset=(0.0, 0.25))
    rig.resend(chunk, 1.5)
    assert rig.guard.state.phase is Phase.MOVING
    assert rig.cell.workspace.polygon.contains(rig.tips[-1])
    rig.guard.on_chunk(rig.now, rig.chunk(offset=(0.0, 1.0)))
    rig.settle()
    assert rig.guard.state.reason is Reason.TARGET_OUTSIDE


def test_two_publishers_stop(rig):
    rig.drive_policy()
    rig.guard.on_publishers(Source.POLICY, 2)
    assert_stopped(rig, Reason.TWO_PUBLISHERS)
    assert rig.guard.select(Source.POLICY) is Reason.TWO_PUBLISHERS


def test_a_far_first_target_is_refused(rig):
    rig.guard.select(Source.POLICY)
    chunk = rig.chunk()
    rig.guard.on_chunk(rig.now, ActionChunk(chunk.capture_s, chunk.times_s, chunk.positions + 0.06))
    rig.run(0.1)
    assert rig.guard.state.reason is Reason.FIRST_TARGET_JUMP
    assert rig.guard.state.source is Source.HOLD
    assert rig.speed < 1e-4


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


def test_a_clock_that_goes_back_stops(rig):
    rig.drive_policy()
    rig.now -= 10
    rig.tick()
    assert rig.guard.state.source is Source.HOLD
    rig.settle()
    assert rig.guard.state.reason in (Reason.CLOCK_JUMPED, Reason.ARM_STATUS_OLD)


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


def test_the_deadman_must_be_held(operated):
    operated.drive_policy()
    operated.deadman = False
    assert_stopped(operated, Reason.DEADMAN_RELEASED)
    assert operated.guard.select(Source.POLICY) is Reason.DEADMAN_RELEASED


@pytest.mark.parametrize("apart_s", [0.0, 0.002])
@pytest.mark.parametrize("words", [(False, True), (True, False)])
def test_whoever_lets_go_is_heard_whatever_another_says_before_the_tick(operated, words, apart_s):
    operated.drive_policy()
    for held in words:
        operated.guard.on_deadman(operated.now, held)
        operated.now += apart_s
    operated.guard.tick(operated.now)
    assert operated.guard.state.reason is Reason.DEADMAN_RELEASED


def test_a_deadman_that_falls_silent_is_released(operated, monkeypatch):
    operated.drive_policy()
    monkeypatch.setattr(operated.guard, "on_deadman", lambda *_: None)
    chunk = operated.chunk()
    operated.resend(chunk, operated.cell.motion.deadman_s + 0.05)
    assert operated.guard.state.reason is Reason.DEADMAN_RELEASED


def teleop(rig: Rig, offset: np.ndarray) -> None:
    rig.guard.on_teleop(rig.now, rig.now - 0.01, rig.guard.tip + offset)


def test_a_person_takes_over_at_once_and_letting_go_holds(operated):
    rig = operated
    chunk = rig.drive_policy()
    rig.run(0.5, lambda: (rig.guard.on_chunk(rig.now, chunk), teleop(rig, np.array([0.03, 0]))))
    assert rig.guard.state.source is Source.TELEOP
    assert rig.guard.state.interventions == 1
    assert rig.tips[-1][0] > rig.tips[-10][0]
    assert rig.speed <= rig.cell.motion.teleop.speed_m_s * 1.01
    rig.resend(chunk, 0.6)
    assert rig.guard.state.source is Source.HOLD
    assert rig.guard.state.reason is Reason.TELEOP_RELEASED
    assert rig.speed < 1e-4


def test_teleoperation_always_needs_the_deadman(rig):
    rig.run(0.3, lambda: teleop(rig, np.array([0.03, 0])))
    assert rig.guard.state.source is Source.HOLD
    rig.deadman = True
    rig.run(0.3, lambda: teleop(rig, np.array([0.03, 0])))
    assert rig.guard.state.source is Source.TELEOP


@pytest.mark.parametrize(
    ("target", "stamp_age_s", "reason"),
    [
        (np.array([np.nan, 0.1]), 0.01, Reason.NOT_FINITE),
        (np.array([0.587, -0.3]), 0.01, Reason.FIRST_TARGET_JUMP),
        (np.array([0.587, 0.14]), 0.2, Reason.OBSERVATION_OLD),
    ],
)
def test_bad_teleoperation_is_refused(operated, target, stamp_age_s, reason):
    operated.guard.on_teleop(operated.now, operated.now - stamp_age_s, target)
    assert operated.guard.state.reason is reason
    assert operated.guard.state.source is Source.HOLD


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


# Whatever a message says


@pytest.mark.parametrize("ahead_s", [0.06, 10.0, 1e6])
def test_a_chunk_from_the_future_stops(rig, ahead_s):
    rig.drive_policy()
    rig.guard.on_chunk(rig.now, rig.chunk(age_s=-ahead_s))
    assert_stopped(rig, Reason.STAMP_AHEAD)


def test_teleoperation_from_the_future_stops(operated):
    operated.run(0.3, lambda: teleop(operated, np.array([0.03, 0])))
    operated.guard.on_teleop(operated.now, operated.now + 1.0, operated.guard.tip)
    assert_stopped(operated, Reason.STAMP_AHEAD)


def test_an_observation_repeated_with_new_content_grows_old(rig):
    first = rig.drive_policy()
    began = rig.now
    while rig.now < began + 4.0:
        sign = 1 if int(rig.now) % 2 else -1
        rig.resend(rig.chunk((0.0, 0.1 * sign), rig.now - first.capture_s), 0.05)
    assert rig.guard.state.reason in (Reason.OBSERVATION_OLD, Reason.CHUNK_EXHAUSTED)
    after_its_end = rig.tips[-round((rig.now - first.end_s - 0.3) / PERIOD_S) :]
    assert np.ptp(after_its_end, axis=0).max() < 1e-4


def test_new_content_of_a_fresh_observation_is_followed(rig):
    rig.guard.select(Source.POLICY)
    rig.resend(rig.chunk(age_s=0.02), 0.05)
    second = rig.chunk((0.0, -0.05), age_s=0.07)
    rig.resend(second, 1.7)
    assert rig.guard.state.source is Source.POLICY
    assert np.linalg.norm(rig.tips[-1] - second.positions[-1]) < 4e-3


@pytest.mark.parametrize("source", [Source.POLICY, Source.REPLAY])
@pytest.mark.parametrize(("actions", "horizon_s"), [(20_000, 1.6), (100, 1e4)])
def test_a_chunk_without_bounds_stops(rig, source, actions, horizon_s):
    rig.guard.select(source)
    rig.guard.on_chunk(rig.now, rig.chunk(), source)
    rig.run(0.09)
    positions = np.repeat(rig.guard.tip[None], actions, axis=0)
    rate_hz = actions / horizon_s
    huge = ActionChunk.at_rate(rig.now, rig.now, rate_hz, positions)
    rig.guard.on_chunk(rig.now, huge, source)
    rig.settle()
    assert rig.guard.state.reason is Reason.CHUNK_TOO_LONG
    assert rig.guard.state.source is Source.HOLD


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
