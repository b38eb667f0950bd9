"""Runs a controller in a simulated world, in simulated time, until it is done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushcell.demonstrators.controller import Controller
from pushcell.errors import PhysicsError, PlanningError
from pushcell.geometry import Array
from pushcell.simulation.world import PushingWorld
from pushcell.task import Task


@dataclass(frozen=True)
class TrialResult:
    """How one trial went."""

    success: bool
    reason: str
    position_error_m: float
    angle_error_rad: float
    duration_s: float
    times_s: Array  # (N,)
    slider_poses: Array  # (N, 3)
    pusher_positions: Array  # (N, 2)
    actions: Array  # (N - 1, 2) the target of each period


def run_closed_loop(
    world: PushingWorld,
    controller: Controller,
    task: Task,
    rate_hz: float = 10.0,
    ends_at_success: bool = False,
) -> TrialResult:
    """Run until the controller is done or gives up, physics fail, or time is over.

    The pusher moves evenly to the first action of each chunk, over one period of ``rate_hz``.
    ``ends_at_success`` is for controllers that do not know themselves when they are done.
    """
    period = 1.0 / rate_hz
    controller.reset()
    times, sliders = [world.time_s], [world.slider_pose]
    pushers: list[Array] = [world.pusher_position]
    actions: list[Array] = []
    gave_up = ""
    while not controller.done and times[-1] < task.success.time_limit_s:
        try:
            action = controller.act(times[-1], sliders[-1], pushers[-1])[0]
            world.advance(action, period)
        except (PlanningError, PhysicsError) as error:
            gave_up = f"; gave up: {error}"
            break
        actions.append(action)
        times.append(world.time_s)
        sliders.append(world.slider_pose)
        pushers.append(world.pusher_position)
        if ends_at_success and task.judge(sliders[-1], pushers[-1], times[-1]).success:
            break
    judgement = task.judge(sliders[-1], pushers[-1], times[-1])
    return TrialResult(
        judgement.success,
        judgement.reason + gave_up,
        judgement.position_error_m,
        judgement.angle_error_rad,
        times[-1],
        np.array(times),
        np.array([slider.as_array() for slider in sliders]),
        np.array(pushers),
        np.array(actions).reshape(-1, 2),
    )
