"""Clean labels whatever drives."""

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.demonstrations.noise_injection import (
    LabellingController,
    NoisyExpert,
    run_labelled,
)
from pushcell.demonstrators.controller import Controller
from pushcell.demonstrators.planner import ClosedLoopPlanner
from pushcell.errors import ConfigError, PhysicsError
from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.source_world import SourceWorld
from pushcell.task import Task


class Rests:
    """Stays where it is; never done."""

    done = False

    def reset(self) -> None:
        """Has nothing to forget."""

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        return np.repeat(np.asarray(pusher, dtype=float)[None], 16, axis=0)


def world_at(cell: CellConfig, seed: int) -> tuple[SourceWorld, Task]:
    world, task = SourceWorld(cell), Task.of(cell.task, cell.pusher.radius_m)
    world.reset(task.sample_start(np.random.default_rng(seed)), task.pusher_home)
    return world, task


def labelled(cell: CellConfig, controller: LabellingController, seed: int) -> TrialResult:
    world, task = world_at(cell, seed)
    return run_labelled(world, controller, task)


def plain(cell: CellConfig, controller: Controller, seed: int) -> TrialResult:
    world, task = world_at(cell, seed)
    return run_closed_loop(world, controller, task)


class Breaks(SourceWorld):
    """Whose physics fails in the fifth step."""

    steps = 0

    def advance(self, pusher_target: ArrayLike, duration_s: float) -> None:
        self.steps += 1
        if self.steps == 5:
            raise PhysicsError("the solver gave up")
        super().advance(pusher_target, duration_s)


def test_physics_that_fails_ends_the_labels_where_it_ends_the_way(cell: CellConfig) -> None:
    world, task = Breaks(cell), Task.of(cell.task, cell.pusher.radius_m)
    world.reset(task.sample_start(np.random.default_rng(0)), task.pusher_home)
    hand = NoisyExpert(ClosedLoopPlanner(cell), cell, np.random.default_rng(0), 0.003)
    result = run_labelled(world, hand, task)
    assert not result.success
    assert len(result.actions) == len(result.times_s) - 1 == 4


def test_noise_is_executed_and_not_recorded(cell: CellConfig) -> None:
    for seed in range(4):
        hand = NoisyExpert(ClosedLoopPlanner(cell), cell, np.random.default_rng(seed), 0.003)
        result = labelled(cell, hand, seed)
        assert result.success, result.reason
        assert len(result.actions) == len(result.times_s) - 1
        # The pusher goes exactly where it was told: the difference to the labels is the noise.
        noise = result.pusher_positions[1:] - result.actions
        assert 0.001 < noise.std() < 0.005


def test_noise_has_the_size_and_the_memory_asked_for(cell: CellConfig) -> None:
    sigma_m, memory_s = 0.002, 0.5
    hand = NoisyExpert(Rests(), cell, np.random.default_rng(0), sigma_m, memory_s)
    goal, home = cell.task.goal_pose, np.array(cell.task.pusher_home_m)
    noise = np.array([hand.act(0.1 * i, goal, home)[0] - home for i in range(4000)])
    assert noise.std(axis=0) == pytest.approx([sigma_m, sigma_m], rel=0.15)
    correlation = np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]
    assert correlation == pytest.approx(math.exp(-0.1 / memory_s), abs=0.05)
    assert np.array_equal(np.array(hand.labels), np.repeat(home[None], 4000, axis=0))


def test_without_noise_nothing_changes(cell: CellConfig) -> None:
    hand = NoisyExpert(ClosedLoopPlanner(cell), cell, np.random.default_rng(0), 0.0)
    assert np.array_equal(
        labelled(cell, hand, 1).slider_poses, plain(cell, ClosedLoopPlanner(cell), 1).slider_poses
    )


def test_noise_stays_inside_the_workspace(cell: CellConfig) -> None:
    hand = NoisyExpert(Rests(), cell, np.random.default_rng(0), 0.5)
    home = cell.task.pusher_home_m
    for i in range(50):
        chunk = hand.act(0.1 * i, cell.task.goal_pose, home)
        assert (cell.workspace.polygon.excess(chunk) <= -cell.workspace.margin_m + 1e-9).all()


def test_bad_numbers(cell: CellConfig) -> None:
    rng = np.random.default_rng(0)
    for sigma_m, memory_s in ((-0.001, 0.5), (math.nan, 0.5), (0.001, 0.0)):
        with pytest.raises(ConfigError, match="noise needs"):
            NoisyExpert(Rests(), cell, rng, sigma_m, memory_s)
