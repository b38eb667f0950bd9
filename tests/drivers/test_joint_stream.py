import numpy as np
import pytest

from pushcell.drivers.joint_stream import JointStream

PERIOD_S, STEP_S = 0.01, 0.005
START = np.array([0.6, 1.0, -0.5, -1.4, 0.6, 0.9, 2.9])
DIRECTION = np.array([0.5, -0.3, 0.2, 0.1, -0.4, 0.3, 0.2])


@pytest.fixture
def stream(cell):
    return JointStream(cell.arm, PERIOD_S, START)


def smooth(time_s: float) -> np.ndarray:
    return START + 0.1 * DIRECTION * (1 - np.cos(3 * time_s))


def play(stream, until_s, commands_until_s, jitter=lambda tick: 0.0):
    """Command a smooth path at 100 Hz up to a time, play it at 200 Hz."""
    played = []
    for tick in range(round(until_s / STEP_S)):
        now = tick * STEP_S
        if tick % 2 == 0 and now <= commands_until_s:
            stream.push(now + jitter(tick), smooth(now))
        played.append(stream.position_at(now))
    return np.array(played)


def test_it_plays_the_path_one_period_late(stream):
    played = play(stream, 1.0, 1.0)
    times = np.arange(len(played)) * STEP_S - PERIOD_S
    expected = np.array([smooth(max(0.0, t)) for t in times])
    assert np.abs(played - expected).max() < 2e-4


def test_nothing_moves_before_the_first_command(stream):
    assert np.array_equal(stream.position_at(0.0), START)
    assert np.array_equal(stream.position_at(5.0), START)
    assert not stream.silent


def test_silence_ends_in_a_jerk_limited_stop_along_the_joint_path(cell, stream):
    played = play(stream, 1.5, 0.5)
    assert stream.silent
    assert np.array_equal(played[-1], played[-20]), "it rests"
    velocity = np.diff(played, axis=0) / STEP_S
    acceleration = np.diff(velocity, axis=0) / STEP_S
    limit = np.array(cell.arm.joint_acceleration_limits_rad_s2)
    braking = slice(110, None)
    assert (np.abs(acceleration[braking]) <= limit * 1.05).all()
    directions = velocity[braking][np.abs(velocity[braking]).max(axis=1) > 1e-3]
    cosines = directions @ DIRECTION / np.linalg.norm(directions, axis=1)
    assert (np.abs(cosines) > 0.999 * np.linalg.norm(DIRECTION)).all()
    stopped_after_s = (np.abs(velocity).max(axis=1) > 1e-9).sum() * STEP_S - 0.5
    assert stopped_after_s < 0.15


def test_after_a_silence_it_starts_again_only_from_where_it_stands(stream):
    stood = play(stream, 1.5, 0.5)[-1]
    assert not stream.push(1.5, stood + 0.1)
    assert stream.silent
    assert stream.push(1.51, stood + 0.001)
    assert not stream.silent
    assert np.abs(stream.position_at(1.51) - stood).max() < 0.002


@pytest.mark.parametrize(
    ("due_s", "position"),
    [
        (1.0, START[:6]),
        (1.0, np.full(7, np.nan)),
        (1.0, START + np.inf),
        (0.0, START),
        (-1.0, START),
    ],
    ids=["six joints", "nan", "infinite", "same time", "earlier"],
)
def test_bad_commands_are_refused_and_counted(stream, due_s, position):
    assert stream.push(0.0, START)
    assert not stream.push(due_s, position)
    assert stream.refused == 1
