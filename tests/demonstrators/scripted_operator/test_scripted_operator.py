"""The operator-like demonstrator: reaches the goal, in its own manner, by its generator alone."""

import math
from functools import cache

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.scripted_operator import ScriptedOperator, ScriptedOperatorSettings
from pushcell.errors import PlanningError
from pushcell.geometry import PlanarPose
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.task import Task

PERIOD_S = 0.1
SEEDS = range(20)


def start_of(cell: CellConfig, seed: int) -> PlanarPose:
    return Task.of(cell.task, cell.pusher.radius_m).sample_start(np.random.default_rng(seed))


def run(
    cell: CellConfig, world: SourceWorld | TargetWorld, seed: int, noise_seed: int = 0
) -> TrialResult:
    task = Task.of(cell.task, cell.pusher.radius_m)
    world.reset(start_of(cell, seed), task.pusher_home)
    return run_closed_loop(world, ScriptedOperator(cell, np.random.default_rng(noise_seed)), task)


@pytest.fixture(scope="module")
def results(cell: CellConfig) -> list[TrialResult]:
    return [run(cell, SourceWorld(cell), seed) for seed in SEEDS]


def test_it_succeeds(results: list[TrialResult]) -> None:
    assert [result.reason for result in results if not result.success] == []


def test_it_succeeds_in_the_target_world(cell: CellConfig) -> None:
    result = run(cell, TargetWorld(cell, 0.005), 0)
    assert result.success, result.reason


def test_it_orients_first_and_keeps_the_heading(
    cell: CellConfig, results: list[TrialResult]
) -> None:
    """Once the heading is right it stays so, and the larger part of the turn came first."""
    aligned_rad, kept_rad = math.radians(10), math.radians(25)
    turned = [r for r in results if abs(r.slider_poses[0, 2]) > math.radians(40)]
    kept = 0
    for result in turned:
        angles = np.abs(result.slider_poses[:, 2] - cell.task.goal_pose.theta)
        angles = np.minimum(angles, 2 * math.pi - angles)
        kept += angles[np.argmax(angles < aligned_rad) :].max() < kept_rad
    assert len(turned) >= 10
    assert kept >= 0.9 * len(turned)


def test_speeds_are_a_persons(cell: CellConfig, results: list[TrialResult]) -> None:
    task, settings = Task.of(cell.task, cell.pusher.radius_m), ScriptedOperatorSettings()
    for result in results:
        moves = np.linalg.norm(np.diff(result.pusher_positions, axis=0), axis=1)
        noise_m = 4 * settings.travel_noise_m
        assert moves.max() <= settings.travel_speed_m_s * PERIOD_S + noise_m
        pushed = np.abs(np.diff(result.slider_poses[:, :2], axis=0)).max(axis=1) > 1e-5
        assert moves[pushed].max() <= settings.push_speed_m_s * PERIOD_S + 1e-9
        assert cell.workspace.polygon.contains(result.actions).all()
        assert task.judge(
            PlanarPose.from_array(result.slider_poses[-1]),
            result.pusher_positions[-1],
            result.duration_s,
        ).success


def test_it_hesitates_for_as_long_as_it_reacts(results: list[TrialResult]) -> None:
    rests = [
        np.linalg.norm(np.diff(r.actions, axis=0), axis=1) < 1e-9 for r in results if r.success
    ]
    assert all(rest.sum() >= ScriptedOperatorSettings().reaction_s / PERIOD_S for rest in rests)


def test_the_generator_decides_about_the_whims(cell: CellConfig) -> None:
    first, again, other = (run(cell, SourceWorld(cell), 3, noise_seed) for noise_seed in (1, 1, 2))
    assert np.array_equal(first.actions, again.actions)
    assert not np.array_equal(first.actions[:50], other.actions[:50])


def test_the_same_sight_brings_the_same_push(cell: CellConfig) -> None:
    """Whatever the noise, and when the slider lies a hair elsewhere."""

    @cache
    def way(seed: int, noise_seed: int, off_m: float) -> np.ndarray:
        slider = start_of(cell, seed)
        slider = PlanarPose(slider.x + off_m, slider.y - off_m, slider.theta + off_m)
        operator = ScriptedOperator(cell, np.random.default_rng(noise_seed))
        return operator.act(0.0, slider, cell.task.pusher_home_m)[-1]

    same = [np.linalg.norm(way(seed, 0, 0.0) - way(seed, 1, 2e-4)) < 0.08 for seed in range(20)]
    assert sum(same) >= 18


def test_out_of_reach(cell: CellConfig) -> None:
    operator = ScriptedOperator(cell, np.random.default_rng(0))
    with pytest.raises(PlanningError, match="move the slider"):
        operator.act(0.0, PlanarPose(0.1, 0.0, 0.0), cell.task.pusher_home_m)
