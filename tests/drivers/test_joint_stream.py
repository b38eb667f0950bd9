import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushcell.drivers.joint_stream import JointStream

PERIOD_S, STEP_S = 0.01, 0.005
START = np.array([0.6, 1.0, -0.5, -1.4, 0.6, 0.9, 2.9])
DIRECTION = np.array([0.5, -0.3, 0.2, 0.1, -0.4, 0.3, 0.2])
REST = np.zeros(7)


@pytest.fixture
def stream(cell):
    return JointStream(cell.arm, PERIOD_S, START)


def smooth(time_s: float) -> np.ndarray:
    return START + 0.1 * DIRECTION * (1 - np.cos(3 * time_s))


def speed(time_s: float) -> np.ndarray:
    return 0.3 * DIRECTION * np.sin(3 * time_s)


def command(stream, time_s: float, sender: str = "motion") -> bool:
    return stream.push(time_s, time_s, smooth(time_s), speed(time_s), sender)


def play(stream, until_s, commands_until_s, from_s=0.0):
    """Command a smooth path at 100 Hz up to a time, play it at 200 Hz."""
    played = []
    for tick in range(round(from_s / STEP_S), round(until_s / STEP_S)):
        now = tick * STEP_S
        if tick % 2 == 0 and now <= commands_until_s:
            command(stream, now)
        played.append(stream.position_at(now))
    return np.array(played)


def derivatives(played: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    velocity = np.diff(played, axis=0) / STEP_S
    acceleration = np.diff(velocity, axis=0) / STEP_S
    return velocity, acceleration, np.diff(acceleration, axis=0) / STEP_S


def test_it_plays_the_path_a_little_more_than_one_period_late(stream):
    played = play(stream, 1.0, 1.0)
    times = np.arange(len(played)) * STEP_S - PERIOD_S - 0.003
    expected = np.array([smooth(max(0.0, t)) for t in times])
    assert np.abs(played - expected).max() < 2e-6


def test_nothing_moves_before_the_first_command(stream):
    assert np.array_equal(stream.position_at(0.0), START)
    assert np.array_equal(stream.position_at(5.0), START)
    assert stream.resting
    assert not stream.silent


def test_silence_ends_in_a_jerk_limited_stop_along_the_joint_path(cell, stream):
    played = play(stream, 1.5, 0.5)
    assert stream.silent
    assert stream.resting
    assert np.array_equal(played[-1], played[-20]), "it rests"
    velocity, acceleration, jerk = derivatives(played)
    braking = slice(102, None)
    assert (np.abs(acceleration[braking]) <= cell.arm.joint_acceleration_limits_rad_s2).all()
    assert (np.abs(jerk[braking]) <= np.array(cell.arm.joint_jerk_limits_rad_s3) * 1.05).all()
    directions = velocity[braking][np.abs(velocity[braking]).max(axis=1) > 1e-3]
    cosines = directions @ DIRECTION / np.linalg.norm(directions, axis=1)
    assert (np.abs(cosines) > 0.999 * np.linalg.norm(DIRECTION)).all()
    stopped_after_s = (np.abs(velocity).max(axis=1) > 1e-9).sum() * STEP_S - 0.5
    assert stopped_after_s < 0.15


def test_after_a_silence_it_begins_again_only_where_it_stands(stream):
    played = play(stream, 0.57, 0.5)
    assert stream.silent
    assert not stream.resting
    assert not command(stream, 0.57, "other"), "still stopping"
    stood = play(stream, 1.5, 0.5, from_s=0.57)[-1]
    assert np.abs(stood - played[-1]).max() > 1e-4
    assert not stream.push(1.5, 1.5, stood + 0.1, REST, "motion")
    assert not stream.push(1.5, 1.5, stood, speed(0.5) * 10, "motion"), "not from rest"
    assert stream.silent
    assert stream.push(1.51, 1.51, stood + 0.015, REST, "motion")
    assert not stream.silent


def test_whoever_was_late_may_go_on_before_the_joints_stand(cell, stream):
    played = play(stream, 0.575, 0.5)
    assert stream.silent
    behind_s = 0.06
    for tick in range(115, 300):
        now = tick * STEP_S
        if tick % 2 == 1:
            then = now - behind_s
            assert stream.push(now, now, smooth(then), speed(then), "motion")
        played = np.vstack([played, stream.position_at(now)])
    assert np.abs(played[-1] - smooth(now - behind_s - PERIOD_S - 0.003)).max() < 1e-4
    _, acceleration, _ = derivatives(played)
    assert (np.abs(acceleration) <= cell.arm.joint_acceleration_limits_rad_s2).all()


def test_it_passes_gently_from_where_it_stands_to_the_first_commands(stream):
    target = START + 0.015
    played = []
    for tick in range(400):
        if tick % 2 == 0:
            assert stream.push(tick * STEP_S, tick * STEP_S, target, REST, "motion")
        played.append(stream.position_at(tick * STEP_S))
    assert np.array_equal(played[0], START)
    assert np.allclose(played[-1], target, atol=1e-9)
    velocity, acceleration, _ = derivatives(np.array(played))
    assert np.abs(velocity).max() < 0.15
    assert np.abs(acceleration).max() < 4.0


def test_a_hard_stop_is_played_as_it_is_commanded(stream):
    """Velocities as ``motion_node`` has them: those of the tick that led to the position."""
    speeds = np.concatenate([np.minimum(0.1 * np.arange(6), 0.4), np.arange(0.3, 0, -0.1)])
    speeds = np.concatenate([speeds, np.zeros(10)])
    played, position = [], START
    for tick, tick_speed in enumerate(speeds):
        now = tick * PERIOD_S
        position = position + tick_speed * PERIOD_S
        assert stream.push(now, now, position, np.full(7, tick_speed), "motion")
        played += [stream.position_at(now), stream.position_at(now + STEP_S)]
    rested = 2 * int(np.flatnonzero(speeds)[-1]) + 6  # and what it is played late
    assert np.abs(np.array(played[rested:]) - position).max() < 1e-4


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.01] * 8 + [0.007, 0.012, 0.02, 0.03, 0.045]),  # to the next tick
            st.sampled_from([0.0] * 4 + [0.002, 0.01, 0.03]),  # on the way
        ),
        min_size=60,
        max_size=100,
    )
)
def test_however_unevenly_commands_come_the_joints_move_smoothly(cell, ticks):
    """A tick moves the path on by one period, however long the clock took to tick."""
    stream = JointStream(cell.arm, PERIOD_S, START)
    arrivals, stamp = [], 0.0
    for number, (until_next, on_the_way) in enumerate(ticks):
        path_s = number * PERIOD_S
        arrivals.append((stamp + on_the_way, stamp, smooth(path_s), speed(path_s)))
        stamp += until_next
    arrivals.sort(key=lambda arrival: arrival[0])
    played, silent = [], False
    for tick in range(round((stamp + 0.05) / STEP_S)):
        now = tick * STEP_S
        while arrivals and arrivals[0][0] <= now:
            _, due, position, velocity = arrivals.pop(0)
            stream.push(now, due, position, velocity, "motion")
        played.append(stream.position_at(now))
        silent = silent or stream.silent
    _, acceleration, _ = derivatives(np.array(played))
    # The path's own is 0.45 rad/s^2; that of a stop is the joints' limit.
    limit = np.array(cell.arm.joint_acceleration_limits_rad_s2) if silent else 6.0
    assert (np.abs(acceleration) <= limit).all()
    assert silent or np.abs(played[-1] - smooth(path_s)).max() < 0.02


@pytest.mark.parametrize(
    ("now_s", "due_s", "position", "velocity"),
    [
        (1.0, 1.0, START[:6], REST),
        (1.0, 1.0, START, REST[:6]),
        (1.0, 1.0, np.full(7, np.nan), REST),
        (1.0, 1.0, START + np.inf, REST),
        (1.0, 1.0, START, np.full(7, np.nan)),
        (1.0, np.nan, START, REST),
        (0.0, 0.0, START, REST),
        (0.01, -0.02, START, REST),
        (0.01, 0.2, START, REST),
        (0.1, 0.01, START, REST),
        (0.01, 0.01, START + 0.05, REST),
        (0.01, 0.01, START, REST + 5.0),
    ],
    ids=[
        "six joints",
        "six velocities",
        "nan",
        "infinite",
        "nan velocity",
        "nan time",
        "same time",
        "earlier",
        "far ahead",
        "late",
        "jump",
        "too fast",
    ],
)
def test_bad_commands_are_refused_and_counted(stream, now_s, due_s, position, velocity):
    assert stream.push(0.0, 0.0, START, REST, "motion")
    assert not stream.push(now_s, due_s, position, velocity, "motion")
    assert stream.refused == 1


def test_whoever_began_has_the_stream_until_it_ends(stream):
    assert command(stream, 0.0, "one")
    assert not command(stream, 0.01, "other")
    assert command(stream, 0.01, "one")
    stood = play(stream, 1.0, -1.0)[-1]
    assert stream.silent
    assert stream.push(1.0, 1.0, stood, REST, "other")


def test_who_was_held_up_does_not_catch_up(stream):
    last = play(stream, 0.5, 0.5)[-1]
    for now in (1.0, 1.005, 1.01, 3.0):
        assert np.array_equal(stream.position_at(now), last)
    assert stream.silent
    assert stream.resting


def test_a_clock_that_goes_back_leaves_the_joints_where_they_are(stream):
    last = play(stream, 0.5, 0.5)[-1]
    for now in (0.2, 0.205, 0.21):
        assert np.array_equal(stream.position_at(now), last)
    assert stream.silent


def test_closing_stops_for_good(cell, stream):
    play(stream, 0.5, 0.5)
    stream.close(0.5)
    played = [stream.position_at(0.5 + tick * STEP_S) for tick in range(60)]
    _, acceleration, _ = derivatives(np.array(played))
    assert (np.abs(acceleration) <= cell.arm.joint_acceleration_limits_rad_s2).all()
    assert stream.resting
    assert not stream.push(0.8, 0.8, played[-1], REST, "motion")


wild = st.floats(-4, 4) | st.sampled_from([np.nan, np.inf, -np.inf, 1e300])
wild_joints = st.lists(st.floats(-0.05, 0.05) | wild, min_size=7, max_size=7)
wild_commands = st.tuples(
    st.floats(-0.06, 0.06) | wild,  # when it is due, from now
    wild_joints,  # from where the joints were sent last
    wild_joints,  # velocity
    st.sampled_from(["motion", "other"]),
)
passing = st.floats(0.0, 0.02) | st.sampled_from([0.005] * 5 + [-0.1, 0.06, 1.0])
good = st.none()
sequences = st.lists(st.tuples(passing, good | good | good | wild_commands), max_size=80)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequences)
def test_whatever_is_commanded_no_joint_is_sent_faster_than_its_limit(cell, sequence):
    stream = JointStream(cell.arm, PERIOD_S, START)
    limit = np.array(cell.arm.joint_velocity_limits_rad_s)
    now, last = 0.0, stream.position_at(0.0)
    for passed, wildness in sequence:
        now += passed
        if wildness is None:
            command(stream, now)
        else:
            due, offset, velocity, sender = wildness
            stream.push(now, now + due, last + np.array(offset), np.array(velocity), sender)
        position = stream.position_at(now)
        assert np.isfinite(position).all()
        assert (np.abs(position - last) <= limit * max(0.0, passed) + 1e-9).all()
        last = position
