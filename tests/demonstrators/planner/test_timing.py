"""Timed paths keep to their limits and arrive where they should."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.demonstrators.planner.timing import Pace, PusherTrajectory

PACE = Pace(speed_m_s=0.14, acceleration_m_s2=0.3, jerk_m_s3=8.0)
STEP_S = 0.02


def driven(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evenly sampled, with the rest before the start and after the end."""
    times, positions = PACE.drive(path)
    assert np.diff(np.append(0, times)) == pytest.approx(STEP_S)
    rest = [path[:1]] * 5, [positions[-1:]] * 5
    return times, np.concatenate([*rest[0], positions, *rest[1]])


@given(st.floats(1e-3, 0.5), st.floats(-math.pi, math.pi))
def test_a_straight_way_keeps_to_all_limits(length: float, heading: float) -> None:
    end = length * np.array([math.cos(heading), math.sin(heading)])
    times, positions = driven(np.stack([np.zeros(2), end]))
    velocity = np.diff(positions, axis=0) / STEP_S
    acceleration = np.diff(velocity, axis=0) / STEP_S
    jerk = np.diff(acceleration, axis=0) / STEP_S
    # The windows of the averages are whole samples.
    for values, limit, slack in (
        (velocity, PACE.speed_m_s, 1.001),
        (acceleration, PACE.acceleration_m_s2, 1.05),
        (jerk, PACE.jerk_m_s3, 1.1),
    ):
        assert np.linalg.norm(values, axis=1).max() <= limit * slack
    assert positions[-1] == pytest.approx(end, abs=1e-9)
    assert times[-1] == pytest.approx(float(PACE.duration(length)), abs=2 * STEP_S)
    assert (positions @ end >= -1e-12).all()


def test_gentle_corners_are_rounded_and_sharp_ones_are_reached() -> None:
    def nearest(turn_rad: float) -> float:
        corner = np.array([0.2, 0.0])
        end = corner + 0.2 * np.array([math.cos(turn_rad), math.sin(turn_rad)])
        _, positions = driven(np.stack([np.zeros(2), corner, end]))
        assert positions[-1] == pytest.approx(end, abs=1e-9)
        return float(np.linalg.norm(positions - corner, axis=1).min())

    assert 1e-4 < nearest(math.radians(45)) < 0.008
    assert nearest(math.radians(90)) < 1e-9
    assert nearest(math.radians(179)) < 1e-9


def test_no_length_takes_no_time() -> None:
    times, positions = PACE.drive(np.array([[0.5, 0.1], [0.5, 0.1]]))
    assert len(times) == 0
    assert positions.shape == (0, 2)
    assert PACE.duration(0.0) == 0


def test_a_trajectory_goes_on_with_another_without_a_jump() -> None:
    first = PusherTrajectory(np.array([0.0, 1.0, 2.0]), np.array([[0, 0], [1, 0], [2, 0]]) * 0.1)
    second = PusherTrajectory(np.array([0.0, 1.0]), np.array([[0.15, 0.0], [0.15, 0.1]]))
    both = first.followed_by(second, 1.5)
    assert both.at(0.5) == pytest.approx([0.05, 0])
    assert both.at(1.5) == pytest.approx([0.15, 0])
    assert both.at(9.0) == pytest.approx([0.15, 0.1])
    steps = np.linalg.norm(np.diff(both.at(np.linspace(0, 3, 301)), axis=0), axis=1)
    assert steps.max() < 0.002
    with pytest.raises(ValueError, match="increase"):
        PusherTrajectory(np.array([0.0, 0.0]), np.zeros((2, 2)))
