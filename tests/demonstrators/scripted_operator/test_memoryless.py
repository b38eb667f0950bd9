"""An expert that may be asked anywhere, at any time."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.scripted_operator import MemorylessExpert
from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.closed_loop import run_closed_loop
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.simulation.world import PushingWorld
from pushcell.task import Task


class Forgetful:
    """Wipes the operator's memory every so many actions."""

    def __init__(self, operator: MemorylessExpert, every: int) -> None:
        self._operator, self._every = operator, every

    def reset(self) -> None:
        self._operator.reset()
        self._calls = 0

    @property
    def done(self) -> bool:
        return self._operator.done

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        if self._calls % self._every == 0:
            self._operator.reset()
        self._calls += 1
        return self._operator.act(time_s, slider, pusher)


def memoryless(cell: CellConfig) -> MemorylessExpert:
    return MemorylessExpert(cell, np.random.default_rng(0))


@pytest.mark.parametrize(("every", "trials"), [(1, 1), (8, 5)])
def test_it_succeeds_although_it_forgets(cell: CellConfig, every: int, trials: int) -> None:
    task, world = Task.of(cell.task, cell.pusher.radius_m), SourceWorld(cell)
    for seed in range(trials):
        world.reset(task.sample_start(np.random.default_rng(seed)), task.pusher_home)
        result = run_closed_loop(world, Forgetful(memoryless(cell), every), task)
        assert result.success, result.reason


def test_it_succeeds_where_contacts_slip(cell: CellConfig) -> None:
    task, world = Task.of(cell.task, cell.pusher.radius_m), TargetWorld(cell, 0.005)
    world.reset(task.sample_start(np.random.default_rng(0)), task.pusher_home)
    result = run_closed_loop(world, Forgetful(memoryless(cell), 8), task)
    assert result.success, result.reason


def test_what_came_before_does_not_count(cell: CellConfig) -> None:
    """In whatever state, two of them agree, one of which has been somewhere else before."""
    task = Task.of(cell.task, cell.pusher.radius_m)
    old, new = memoryless(cell), memoryless(cell)
    rng = np.random.default_rng(0)
    for _ in range(10):
        old.act(0.0, task.sample_start(rng), task.pusher_home)
        slider = task.sample_start(rng)
        old.reset()
        expected = new.act(0.0, slider, task.pusher_home)
        new.reset()
        np.testing.assert_array_equal(old.act(0.0, slider, task.pusher_home), expected)
        old.reset()


def test_it_rests_at_home_when_nothing_is_left_to_do(cell: CellConfig) -> None:
    world: PushingWorld = SourceWorld(cell)
    task = Task.of(cell.task, cell.pusher.radius_m)
    near = PlanarPose(task.goal.x + 0.01, task.goal.y, task.goal.theta)
    operator = memoryless(cell)
    away = task.pusher_home + np.array([0.03, 0.0])
    world.reset(near, away)
    result = run_closed_loop(world, operator, task)
    assert result.success
    np.testing.assert_allclose(result.pusher_positions[-1], task.pusher_home, atol=1e-6)
    np.testing.assert_allclose(result.slider_poses[-1], near.as_array())
    # As far off, with the hand elsewhere, it is worth another push.
    far = task.pusher_home + np.array([0.1, 0.0])
    operator.reset()
    world.reset(near, far)
    after = run_closed_loop(world, operator, task)
    assert after.position_error_m < 0.008
