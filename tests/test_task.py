import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.errors import PlanningError
from pushcell.geometry import PlanarPose, polygon_area_and_centroid
from pushcell.task import SLIDERS, SliderShape, Task


@pytest.fixture(scope="module")
def task(cell) -> Task:
    return Task.of(cell.task, cell.pusher.radius_m)


@pytest.mark.parametrize("shape", SLIDERS.values(), ids=SLIDERS)
def test_the_frame_is_the_centre_of_mass(shape):
    area, centroid = polygon_area_and_centroid(shape.outline)
    assert area > 0
    assert np.allclose(centroid, 0, atol=1e-12)


def test_the_t_has_its_published_size():
    t = SLIDERS["t"].outline
    assert np.ptp(t[:, 0]) == pytest.approx(0.1651)
    assert np.ptp(t[:, 1]) == pytest.approx(0.04064 + 0.12447)
    bar_centre = t[:, 1].max() - 0.04064 / 2
    assert bar_centre == pytest.approx(0.0355, abs=5e-5)


def test_an_outline_that_crosses_itself_is_refused():
    outline = np.array([[0.0, 0], [1, 1], [1, 0], [0, 1]])
    with pytest.raises(ValueError, match="crosses itself"):
        SliderShape.centred("bow", outline, [outline])


def test_parts_must_make_up_the_outline():
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    with pytest.raises(ValueError, match="cover"):
        SliderShape.centred("half", square, [square[:3]])


@given(st.integers(0, 10_000))
def test_starts_are_in_the_box_and_clear_of_home(task, seed):
    start = task.sample_start(np.random.default_rng(seed))
    corners = task.shape.outline_at(start) - task.goal.position
    assert (np.abs(corners) <= np.array(task.start_box_m) / 2 + 1e-12).all()
    assert task.shape.distance(start, task.pusher_home) >= task.pusher_radius_m


def test_starts_repeat_with_the_seed_and_take_all_headings(task):
    headings = [task.sample_start(np.random.default_rng(seed)).theta for seed in range(200)]
    assert headings[7] == task.sample_start(np.random.default_rng(7)).theta
    assert np.histogram(headings, bins=8, range=(-math.pi, math.pi))[0].min() > 5


def test_a_box_too_small_for_the_slider_is_an_error(task):
    small = Task(
        task.shape, task.goal, task.pusher_home, (0.1, 0.1), task.pusher_radius_m, task.success
    )
    with pytest.raises(PlanningError, match="start_box_m"):
        small.sample_start(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("offset", "pusher_off_m", "elapsed_s", "success", "reason"),
    [
        ((0, 0, 0), 0.0, 10, True, "at the goal"),
        ((0.014, 0, math.radians(3.4)), 0.039, 74.9, True, "at the goal"),
        ((0.016, 0, 0), 0.0, 10, False, "position off by 16.0 mm"),
        ((0, 0, math.radians(-3.6)), 0.0, 10, False, "angle off by 3.6 deg"),
        ((0, 0, 0), 0.041, 10, False, "pusher from home 41.0 mm"),
        ((0, 0, 0), 0.0, 75.1, False, "time 75.1 s"),
    ],
)
def test_judgement(task, offset, pusher_off_m, elapsed_s, success, reason):
    goal = task.goal
    slider = PlanarPose(goal.x + offset[0], goal.y + offset[1], goal.theta + offset[2])
    judgement = task.judge(slider, task.pusher_home + np.array([pusher_off_m, 0]), elapsed_s)
    assert judgement.success is success
    assert reason in judgement.reason


def test_a_full_turn_is_no_error(task):
    turned = PlanarPose(task.goal.x, task.goal.y, task.goal.theta + 2 * math.pi)
    assert task.judge(turned, task.pusher_home, 1.0).success
