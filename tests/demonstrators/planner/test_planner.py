"""Plans reach the goal by the source world's physics too, in the workspace, and repeatably."""

from collections.abc import Callable

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner import PushPlan, PushPlanner
from pushcell.errors import PlanningError
from pushcell.geometry import PlanarPose
from pushcell.simulation.source_world import SourceWorld
from pushcell.task import SLIDERS
from tests.demonstrators.planner.conftest import DEMONSTRATION_BOX_M, EVALUATION_BOX_M

Planners = Callable[[str], PushPlanner]
DrawStarts = Callable[..., list[PlanarPose]]


@pytest.mark.parametrize("box_m", [EVALUATION_BOX_M, DEMONSTRATION_BOX_M])
def test_plans_reach_the_goal_in_the_workspace_without_bumping(
    slider: str,
    box_m: tuple[float, float],
    cell: CellConfig,
    planner_of: Planners,
    starts: DrawStarts,
) -> None:
    home = cell.task.pusher_home_m
    for start in starts(slider, 6, box_m, seed=4):
        plan = planner_of(slider).plan(start, home)
        assert plan.predicted_slider_at(0.0).distance_to(start) == pytest.approx((0, 0), abs=1e-9)
        position, angle = plan.slider_end.distance_to(cell.task.goal_pose)
        assert position < 1e-3 or planner_of(slider).is_good(start)
        assert angle < np.radians(1.5)
        assert plan.pusher_at(0.0) == pytest.approx(home)
        assert plan.pusher_at(plan.duration_s) == pytest.approx(home)
        inside = cell.workspace.polygon.contains(plan.trajectory.positions, cell.workspace.margin_m)
        assert inside.all()
        assert smallest_gap(plan, slider, cell) > -2e-4


def smallest_gap(plan: PushPlan, slider: str, cell: CellConfig) -> float:
    """Between pusher and predicted slider over the whole plan [m]."""
    poses = (PlanarPose.from_array(values) for values in plan.slider_poses)
    distances = [
        float(SLIDERS[slider].distance(pose, pusher))
        for pose, pusher in zip(poses, plan.trajectory.positions, strict=True)
    ]
    return min(distances) - cell.pusher.radius_m


def test_the_source_world_does_what_the_plan_predicts(
    slider: str, cell_of: Callable[[str], CellConfig], planner_of: Planners, starts: DrawStarts
) -> None:
    cell = cell_of(slider)
    world = SourceWorld(cell)
    for start in starts(slider, 3, seed=5):
        plan = planner_of(slider).plan(start, cell.task.pusher_home_m)
        world.reset(start, cell.task.pusher_home_m)
        while world.time_s < plan.duration_s:
            world.advance(plan.pusher_at(world.time_s + 0.02), 0.02)
        position, angle = world.slider_pose.distance_to(plan.slider_end)
        assert position < 2e-3
        assert angle < np.radians(1.5)


def test_plans_repeat(planner_of: Planners, cell_of: Callable[[str], CellConfig]) -> None:
    start, home = PlanarPose(0.55, -0.1, 2.0), [0.587, 0.15]
    first = planner_of("t").plan(start, home)
    second = PushPlanner(cell_of("t")).plan(start, home)
    assert np.array_equal(first.trajectory.positions, second.trajectory.positions)


def test_a_slider_at_the_goal_needs_no_push(cell: CellConfig, planner_of: Planners) -> None:
    plan = planner_of("t").plan(cell.task.goal_pose, [0.5, 0.1])
    assert plan.pushes == ()
    assert plan.pusher_at(plan.duration_s) == pytest.approx(cell.task.pusher_home_m)


def test_a_plan_is_kept_to_when_another_is_hardly_quicker(
    planner_of: Planners, starts: DrawStarts, cell: CellConfig
) -> None:
    """From the middle of a plan, asked to go on, the planner goes on with it."""
    kept = 0
    for start in starts("t", 8, seed=6):
        pushes = planner_of("t").plan(start, cell.task.pusher_home_m).pushes
        clear = planner_of("t").primitives.approaches[pushes[0].primitive]
        pusher = pushes[0].slider_after.transform(clear)
        going_on = pushes[1].primitive
        again = planner_of("t").plan(pushes[0].slider_after, pusher, prefer=going_on)
        kept += again.pushes[0].primitive == going_on
    assert kept == 8


def test_no_plan_is_an_error_that_names_the_state(planner_of: Planners) -> None:
    out_of_reach = PlanarPose(0.2, 0.0, 0.0)
    with pytest.raises(PlanningError, match=r"no pushes found from slider .*0\.2.*0\.15"):
        planner_of("t").plan(out_of_reach, [0.587, 0.15])
