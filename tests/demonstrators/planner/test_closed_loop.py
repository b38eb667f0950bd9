"""The loop closed over the source world: undisturbed, disturbed, and with a pusher that lags."""

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner import ClosedLoopPlanner, PlannerSettings
from pushcell.errors import PlanningError
from pushcell.geometry import PlanarPose
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.source_world import SourceWorld
from pushcell.task import Task

PERIOD_S = 0.1
DrawStarts = Callable[..., list[PlanarPose]]


class DisturbedWorld(SourceWorld):
    """Someone moves the slider once, as soon as the pusher is far enough away."""

    def __init__(self, cell: CellConfig, after_s: float) -> None:
        super().__init__(cell)
        self._shape = Task.of(cell.task, cell.pusher.radius_m).shape
        self._after_s = after_s
        self.disturbed = False

    def advance(self, pusher_target: object, duration_s: float) -> None:
        super().advance(pusher_target, duration_s)
        moved = PlanarPose(self._x + 0.015, self._y - 0.025, self._theta + 0.5)
        far = self._shape.distance(moved, self.pusher_position) > 0.04
        if not self.disturbed and self.time_s > self._after_s and far:
            self._x, self._y, self._theta = moved.as_array()
            self.disturbed = True


class LaggingWorld(SourceWorld):
    """The pusher follows 0.1 s late and half way of what is left each 0.02 s."""

    def reset(self, slider: PlanarPose, pusher: object) -> None:
        super().reset(slider, pusher)
        self._late = deque([np.asarray(pusher, dtype=float)] * 5)
        self._target = np.asarray(pusher, dtype=float)

    def advance(self, pusher_target: object, duration_s: float) -> None:
        steps = round(duration_s / 0.02)
        for target in np.linspace(self._target, np.asarray(pusher_target), steps + 1)[1:]:
            self._late.append(target)
            behind = self._late.popleft()
            super().advance((self.pusher_position + behind) / 2, duration_s / steps)
        self._target = np.asarray(pusher_target)


def trials(cell: CellConfig, world: SourceWorld, starts: list[PlanarPose]) -> list[TrialResult]:
    task = Task.of(cell.task, cell.pusher.radius_m)
    planner, results = ClosedLoopPlanner(cell), []
    for start in starts:
        world.reset(start, task.pusher_home)
        results.append(run_closed_loop(world, planner, task))
    return results


def test_nineteen_of_twenty_starts_succeed(cell: CellConfig, starts: DrawStarts) -> None:
    results = trials(cell, SourceWorld(cell), starts("t", 20, seed=7))
    assert sum(result.success for result in results) >= 19
    settings = PlannerSettings()
    assert max(result.position_error_m for result in results) <= settings.stop_m
    assert max(result.angle_error_rad for result in results) <= settings.stop_rad


def test_other_sliders_succeed(
    slider: str, cell_of: Callable[[str], CellConfig], starts: DrawStarts
) -> None:
    cell = cell_of(slider)
    results = trials(cell, SourceWorld(cell), starts(slider, 3, seed=8))
    assert all(result.success for result in results)


def test_the_command_never_jumps(cell: CellConfig, starts: DrawStarts) -> None:
    """Not from plan to plan, not at an abort; and it accelerates no more than it says."""
    settings = PlannerSettings()
    world = DisturbedWorld(cell, after_s=3.0)
    (result,) = trials(cell, world, starts("t", 1, seed=9))
    assert world.disturbed
    path = np.vstack([result.pusher_positions[:1], result.actions])
    velocity = np.diff(path, axis=0) / PERIOD_S
    assert np.linalg.norm(velocity, axis=1).max() <= settings.travel_speed_m_s * 1.001
    acceleration = np.diff(velocity, axis=0) / PERIOD_S
    # A brake is at most twice as hard as the ramps, and a corner turns by up to 60 degrees.
    assert np.linalg.norm(acceleration, axis=1).max() < 1.0


def test_a_chunk_is_where_the_pusher_will_be(cell: CellConfig, starts: DrawStarts) -> None:
    """While nothing unforeseen happens, each chunk continues the last one."""
    world, planner = SourceWorld(cell), ClosedLoopPlanner(cell)
    world.reset(starts("t", 1, seed=10)[0], cell.task.pusher_home_m)
    previous = None
    for _ in range(20):
        chunk = planner.act(world.time_s, world.slider_pose, world.pusher_position)
        assert chunk.shape == (16, 2)
        if previous is not None:
            assert chunk[:-1] == pytest.approx(previous[1:], abs=1e-9)
        previous = chunk
        world.advance(chunk[0], PERIOD_S)


@pytest.mark.parametrize("after_s", [1.0, 4.0, 8.0])
def test_a_moved_slider_is_pushed_home_all_the_same(
    cell: CellConfig, starts: DrawStarts, after_s: float
) -> None:
    world = DisturbedWorld(cell, after_s)
    (result,) = trials(cell, world, starts("t", 1, seed=11))
    assert world.disturbed
    assert result.success, result.reason


def test_a_pusher_that_lags_succeeds(cell: CellConfig, starts: DrawStarts) -> None:
    results = trials(cell, LaggingWorld(cell), starts("t", 5, seed=12))
    assert all(result.success for result in results)


def test_a_slider_moved_after_the_end_is_pushed_again(cell: CellConfig) -> None:
    world, planner = SourceWorld(cell), ClosedLoopPlanner(cell)
    home = np.array(cell.task.pusher_home_m)
    planner.act(0.0, cell.task.goal_pose, home)
    assert planner.done
    assert planner.plan is not None
    assert not planner.plan.pushes
    moved = PlanarPose(0.56, -0.08, 0.8)
    world.reset(moved, home)
    planner.act(0.1, moved, home)
    assert not planner.done
    for _ in range(3):
        planner.act(0.4, moved, home)
    assert planner.plan.pushes


def test_giving_up_is_a_failure_with_its_reason(cell: CellConfig) -> None:
    world, out_of_reach = SourceWorld(cell), PlanarPose(0.2, 0.0, 0.0)
    (result,) = trials(cell, world, [out_of_reach])
    assert not result.success
    assert "no pushes found" in result.reason
    with pytest.raises(PlanningError):
        ClosedLoopPlanner(cell).act(0.0, out_of_reach, cell.task.pusher_home_m)
