"""Demonstrations of the expert, from the states that a policy reaches."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from pushcell.cli.main import main
from pushcell.config.cell import CellConfig
from pushcell.demonstrations.dagger import ACTIONS_EACH, DaggerCollector, draw_start
from pushcell.formats.zarr_format import ZarrSet
from pushcell.geometry import Array, PlanarPose
from pushcell.recording.steps import Steps
from pushcell.simulation.perturbed_source_world import PerturbedSourceWorld
from pushcell.simulation.source_world import SourceWorld
from pushcell.task import Task


class GoesTo:
    """Always wants to be at one place."""

    done = False

    def __init__(self, place: Array) -> None:
        self._place = place

    def reset(self) -> None:
        """Has nothing to forget."""

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        way = self._place - pusher
        return (pusher + way * min(1.0, 0.01 / max(float(np.linalg.norm(way)), 1e-9)))[None]


def all_of(shown: list[Steps], name: str) -> Array:
    return np.concatenate([getattr(steps, name) for steps in shown])


def test_a_rollout_depends_on_seed_and_index_alone(cell: CellConfig) -> None:
    first, again, other = (
        DaggerCollector(cell, 3),
        DaggerCollector(cell, 3),
        DaggerCollector(cell, 4),
    )
    again.collect(0)
    one, same, different = first.collect(1), again.collect(1), other.collect(1)
    for name in ("slider", "pusher", "action"):
        np.testing.assert_array_equal(all_of(one, name), all_of(same, name))
    assert not np.array_equal(one[0].slider[0], different[0].slider[0])


def test_what_is_labelled_is_what_was_done(cell: CellConfig) -> None:
    for steps in DaggerCollector(cell, 0).collect(2):
        assert len(steps) == ACTIONS_EACH + 1
        np.testing.assert_array_equal(steps.action[:-1], steps.pusher[1:, :2])


def test_without_a_policy_the_slider_gets_to_the_goal(cell: CellConfig) -> None:
    task, collector = Task.of(cell.task, cell.pusher.radius_m), DaggerCollector(cell, 1)
    ends = [collector.collect(index)[-1] for index in range(10)]
    judged = [task.judge(PlanarPose.from_array(s.slider[-1]), s.pusher[-1, :2], 0) for s in ends]
    assert sum(judgement.success for judgement in judged) >= 6, judged


def test_it_begins_where_the_policy_is(cell: CellConfig) -> None:
    """A policy that stays in a corner gets demonstrations of how to leave it."""
    corner = np.array([0.45, -0.33])
    shown = DaggerCollector(cell, 5, GoesTo(corner)).collect(0)
    starts = np.array([steps.pusher[0, :2] for steps in shown])
    late = np.linalg.norm(starts[len(starts) // 2 :] - corner, axis=1)
    assert np.median(late) < 0.1
    gone = [np.linalg.norm(steps.pusher[-1, :2] - steps.pusher[0, :2]) for steps in shown]
    assert np.median(gone) > 0.05


def test_starts_are_inside_and_apart(cell: CellConfig) -> None:
    task, rng = Task.of(cell.task, cell.pusher.radius_m), np.random.default_rng(0)
    sliders = []
    for _ in range(200):
        slider, pusher = draw_start(cell, task, rng)
        assert cell.workspace.polygon.contains(pusher)
        assert task.shape.distance(slider, pusher) > task.pusher_radius_m
        sliders.append(slider)
    errors = np.array([slider.distance_to(task.goal)[0] for slider in sliders])
    assert errors.min() < 0.03
    assert errors.max() > 0.15


def test_perturbed_physics_differ_and_leave_alone_what_is_not_touched(cell: CellConfig) -> None:
    task = Task.of(cell.task, cell.pusher.radius_m)
    exact, perturbed = SourceWorld(cell), PerturbedSourceWorld(cell)
    slider = PlanarPose(0.6, -0.1, 0.4)
    ends = []
    for seed in range(5):
        for world in (exact, perturbed):
            world.reset(slider, task.pusher_home)
        perturbed.perturb(np.random.default_rng(seed))
        for y in np.linspace(0.14, 0.06, 8):  # stops short of the slider
            exact.advance([0.6, y], 0.1)
            perturbed.advance([0.6, y], 0.1)
        assert max(perturbed.slider_pose.distance_to(slider)) < 1e-12
        for y in np.linspace(0.05, -0.15, 20):
            exact.advance([0.6, y], 0.1)
            perturbed.advance([0.6, y], 0.1)
        assert max(exact.slider_pose.distance_to(slider)) > 0.01
        ends.append(perturbed.slider_pose.distance_to(exact.slider_pose)[0])
    assert max(ends) > 0.002
    assert max(ends) < 0.1


def test_the_command_writes_the_same_with_any_workers(tmp_path: Path) -> None:
    sets = []
    for workers in (1, 2):
        out = tmp_path / f"dagger_{workers}.zarr"
        words = ["--rollouts", "2", "--seed", "2", "--out", str(out), "--workers", str(workers)]
        assert main(["dagger", *words]) == 0
        sets.append([demonstration.steps for demonstration in ZarrSet(out)])
    assert len(sets[0]) == len(sets[1]) > 3
    for one, same in zip(*sets, strict=True):
        np.testing.assert_array_equal(one.action, same.action)


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dagger", "--rollouts", "1", "--out", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
