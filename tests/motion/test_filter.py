import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushcell.motion.filter import PREVIEW_S, CommandFilter

PERIOD_S = 0.01
SLACK = 1.0 + 1e-6

steps = st.tuples(
    st.integers(1, 60),  # for how many ticks
    st.one_of(
        st.none(),  # brake
        st.tuples(st.floats(0, 1.2), st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)),
    ),
)


@pytest.fixture(scope="module")
def workspace(cell):
    return cell.workspace.polygon.inset(cell.workspace.margin_m)


@pytest.fixture
def command(cell, workspace):
    return CommandFilter(workspace, cell.motion.stop, PERIOD_S, np.array(cell.task.pusher_home_m))


@given(program=st.lists(steps, min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_target_breaks_a_limit(cell, workspace, program):
    limits, stop = cell.motion.policy, cell.motion.stop
    command = CommandFilter(workspace, stop, PERIOD_S, np.array(cell.task.pusher_home_m))
    states = [command.state]
    for ticks, target in program:
        for _ in range(ticks):
            if target is None:
                command.brake()
            else:
                command.follow(np.array(target[:2]), np.array(target[2:]), limits)
            states.append(command.state)
    position = np.array([state.position for state in states])
    velocity = np.array([state.velocity for state in states])
    acceleration = np.array([state.acceleration for state in states])
    assert workspace.excess(position).max() <= 1e-6
    assert np.linalg.norm(velocity, axis=1).max() <= limits.speed_m_s * SLACK
    assert np.linalg.norm(acceleration, axis=1).max() <= stop.acceleration_m_s2 * SLACK
    jerk = np.diff(acceleration, axis=0) / PERIOD_S
    assert np.linalg.norm(jerk, axis=1).max(initial=0) <= stop.jerk_m_s3 * SLACK
    # The three agree with each other: position really has this velocity and acceleration.
    mean_velocity = np.diff(position, axis=0) / PERIOD_S
    trapezoid = (velocity[1:] + velocity[:-1]) / 2
    assert np.abs(mean_velocity - trapezoid).max(initial=0) <= stop.jerk_m_s3 * PERIOD_S**2


def test_it_arrives_and_rests(cell, command):
    target = np.array([0.6, 0.0])
    for _ in range(400):
        command.follow(target, np.zeros(2), cell.motion.policy)
    assert command.state.still
    assert np.allclose(command.state.position, target, atol=1e-6)


def test_it_catches_up_with_a_moving_target(cell, command):
    velocity = np.array([0.0, -0.1])
    start = np.array(cell.task.pusher_home_m)
    for tick in range(1, 200):
        ahead = start + velocity * (tick * PERIOD_S + PREVIEW_S)
        command.follow(ahead, velocity, cell.motion.policy)
    assert np.allclose(command.state.position, start + velocity * 199 * PERIOD_S, atol=1e-3)


def test_it_keeps_to_a_way_with_even_acceleration(cell, command):
    """Up to most of the limit; without a look ahead it would be centimetres off."""
    acceleration, speed = 0.5, 0.14
    start, direction = np.array(cell.task.pusher_home_m), np.array([0.0, -1.0])

    def way(time_s):
        ramp = np.clip(time_s, 0, speed / acceleration)
        along = acceleration * ramp**2 / 2 + speed * max(0.0, time_s - speed / acceleration)
        return start + along * direction, acceleration * ramp * direction

    for tick in range(1, 200):
        command.follow(*way(tick * PERIOD_S + PREVIEW_S), cell.motion.policy)
        assert np.linalg.norm(command.state.position - way(tick * PERIOD_S)[0]) < 2.5e-3


def test_a_stop_is_straight_and_short(cell, command):
    target = command.state.position - 0.15
    for _ in range(60):
        command.follow(target, np.zeros(2), cell.motion.policy)
    start, direction = command.state.position, command.state.velocity
    direction = direction / np.linalg.norm(direction)
    ticks = 0
    while not command.state.still:
        command.brake()
        ticks += 1
    way = command.state.position - start
    assert np.linalg.norm(way) > 0.005, "it was moving"
    assert ticks * PERIOD_S < 0.3
    assert abs(way @ [-direction[1], direction[0]]) < 1e-6


def test_targets_outside_lead_to_the_nearest_point_inside(cell, command, workspace):
    for _ in range(600):
        command.follow(np.array([0.6, 5.0]), np.array([0.0, 1.0]), cell.motion.policy)
    assert workspace.excess(command.state.position) == pytest.approx(0, abs=1e-6)
    assert command.state.still


def test_no_edge_of_the_workspace_holds_the_pusher(cell, command, workspace):
    corners = workspace.vertices
    for corner in [*corners, *corners[::2], *corners[::-1]]:
        for _ in range(600):
            command.follow(corner, np.zeros(2), cell.motion.policy)
            assert workspace.excess(command.state.position) <= 1e-6
        assert np.linalg.norm(command.state.position - corner) < 2e-3
