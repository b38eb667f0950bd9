"""Primitives touch the slider; sequences of them end where they should, and none is missed."""

from collections.abc import Callable

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner import PlannerSettings, PushPlanner
from pushcell.demonstrators.planner.primitives import PushPrimitives
from pushcell.demonstrators.planner.sequences import SequenceSolver
from pushcell.geometry import PlanarPose
from pushcell.task import SLIDERS

ORIGIN = PlanarPose(0, 0, 0)
EXACT_M = 1e-3


def carried_out(primitives: PushPrimitives, start: PlanarPose, pushes, lengths) -> PlanarPose:
    """By the exponential map, independent of the planner's pivots."""
    pose = start
    for push, length in zip(pushes, lengths, strict=True):
        pose = pose @ PlanarPose.exp(primitives.twists[push] * length)
    return pose


def test_primitives_touch_the_outline_and_have_room(
    slider: str, planner_of: Callable[[str], PushPlanner], cell: CellConfig
) -> None:
    primitives, shape = planner_of(slider).primitives, SLIDERS[slider]
    radius, clearance = cell.pusher.radius_m, PlannerSettings().clearance_m
    assert len(primitives) > 20
    assert shape.distance(ORIGIN, primitives.contacts) == pytest.approx(0, abs=1e-9)
    assert shape.distance(ORIGIN, primitives.centres) == pytest.approx(radius, abs=1e-9)
    back = np.linalg.norm(primitives.approaches - primitives.centres, axis=1)
    assert back == pytest.approx(clearance)
    assert (shape.distance(ORIGIN, primitives.approaches) > radius + 0.002).all()


def test_poses_along_a_push_are_the_exponential(planner_of: Callable[[str], PushPlanner]) -> None:
    primitives = planner_of("t").primitives
    start = PlanarPose(0.5, -0.1, 2.0)
    for push in range(len(primitives)):
        expected = start @ PlanarPose.exp(primitives.twists[push] * 0.07)
        position, angle = primitives.pose_after(push, start, 0.07).distance_to(expected)
        assert position < 1e-9
        assert angle < 1e-9


def test_every_sequence_ends_at_the_goal(
    slider: str,
    cell: CellConfig,
    planner_of: Callable[[str], PushPlanner],
    starts: Callable[..., list[PlanarPose]],
) -> None:
    settings, primitives = PlannerSettings(), planner_of(slider).primitives
    solver, goal = SequenceSolver(primitives, settings), cell.task.goal_pose
    rng = np.random.default_rng(1)
    for start in starts(slider, 4):
        found = solver.solve(start, goal, EXACT_M)
        assert len(found.pushes) > 500
        used = found.lengths > 0
        assert (found.lengths[used] >= settings.min_push_m).all()
        assert (found.lengths < settings.max_push_m).all()
        shorter = np.flatnonzero(~used.all(axis=1))
        for row in np.concatenate([rng.integers(0, len(found.pushes), 20), shorter[:20]]):
            end = carried_out(primitives, start, found.pushes[row], found.lengths[row])
            position, angle = end.distance_to(goal)
            assert position == pytest.approx(found.place_left[row], abs=1e-6)
            assert angle == pytest.approx(found.angle_left[row], abs=1e-6)
            assert position < EXACT_M


def test_no_triplet_is_missed(slider: str, planner_of: Callable[[str], PushPlanner]) -> None:
    settings, primitives = PlannerSettings(), planner_of(slider).primitives
    solver, start = SequenceSolver(primitives, settings), PlanarPose(0.6, 0.0, 1.0)
    rng = np.random.default_rng(2)
    for _ in range(10):
        pushes = rng.choice(len(primitives), 3, replace=False)
        if np.abs(np.diff(primitives.pivots[pushes])).min() < 1e-9:
            continue  # about the same pivot, back and forth: of no use
        lengths = rng.uniform(0.02, 0.15, 3)
        found = solver.solve(start, carried_out(primitives, start, pushes, lengths), EXACT_M)
        same = (found.pushes == pushes).all(axis=1)
        off = np.abs(found.lengths[same] - lengths).max(axis=1)
        assert off.min() < 1e-6
