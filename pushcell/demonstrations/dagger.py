"""DAgger: a policy drives, and an expert labels the states that it reaches.

From every eighth state the expert drives in a world of its own; what it does is kept as a short
episode. So all training data are flawless demonstrations, also from states that a flawless
demonstration does not reach. Without a policy the expert drives, with noise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.controller import Controller
from pushcell.demonstrators.scripted_operator import MemorylessExpert
from pushcell.errors import PlanningError
from pushcell.geometry import Array, PlanarPose
from pushcell.recording.steps import Steps
from pushcell.simulation.perturbed_source_world import PerturbedSourceWorld
from pushcell.simulation.source_world import SourceWorld
from pushcell.task import Task

RATE_HZ = 10.0
ACTIONS_EACH = 24  # actions of each demonstration of the expert
_PERIOD_S = 1 / RATE_HZ
_EVERY = 8  # actions from one demonstration to the next
_EXPERT_SHARE = 0.15  # share of its turns although there is a policy
_SETTLED = 3  # demonstrations in a row with nothing left to do: the rollout is over
_MOST_STEPS = (150, 600)
_NOISE_M = (0.0, 0.004, 0.01)
_NOISE_KEPT = math.exp(-_PERIOD_S / 0.5)


class DaggerCollector:
    """Collects rollouts; each depends on (seed, index) and the policy alone."""

    def __init__(self, cell: CellConfig, seed: int, policy: Controller | None = None) -> None:
        self._cell, self._seed, self._policy = cell, seed, policy
        self._task = Task.of(cell.task, cell.pusher.radius_m)
        self._expert = MemorylessExpert(cell, np.random.default_rng(0))
        self._world, self._shown = PerturbedSourceWorld(cell), SourceWorld(cell)
        self._inside = cell.workspace.polygon

    def collect(self, index: int) -> list[Steps]:
        """The expert's demonstrations of one rollout, each of ``ACTIONS_EACH`` + 1 steps."""
        rng = np.random.default_rng([self._seed, index])
        slider, pusher = draw_start(self._cell, self._task, rng)
        world = self._world
        world.reset(slider, pusher)
        world.perturb(rng)
        if self._policy is not None:
            self._policy.reset()
        noise, sigma_m = np.zeros(2), rng.choice(_NOISE_M)
        shown: list[Steps] = []
        settled = 0
        for step in range(int(rng.integers(*_MOST_STEPS))):
            if step % _EVERY == 0:
                try:
                    steps = self.demonstrate(world.slider_pose, world.pusher_position)
                except PlanningError:
                    break
                shown.append(steps)
                judged = self._task.judge(world.slider_pose, world.pusher_position, 0.0)
                settled = settled + 1 if judged.success else 0
                if settled == _SETTLED or not self._inside.contains(world.slider_pose.position):
                    break
                expert_drives = self._policy is None or rng.random() < _EXPERT_SHARE
            action = steps.action[step % _EVERY]
            if self._policy is not None:  # it is asked each time, for it keeps count of them
                wish = self._policy.act(world.time_s, world.slider_pose, world.pusher_position)[0]
                action = action if expert_drives else wish
            fresh = sigma_m * rng.standard_normal(2)
            noise = _NOISE_KEPT * noise + math.sqrt(1 - _NOISE_KEPT**2) * fresh
            world.advance(self._inside.nearest(action + noise), _PERIOD_S)
        return shown

    def demonstrate(self, slider: PlanarPose, pusher: Array) -> Steps:
        """The expert's next actions from a state; raises PlanningError where it knows none."""
        world, expert = self._shown, self._expert
        world.place(slider, pusher)
        expert.reset()
        rows: list[list[float]] = []
        for step in range(ACTIONS_EACH + 1):
            slider, pusher = world.slider_pose, world.pusher_position
            rows.append([*slider.as_array(), *pusher])
            world.advance(expert.act(step * _PERIOD_S, slider, pusher)[0], _PERIOD_S)
        return self._steps(np.array(rows), world.pusher_position)

    def _steps(self, rows: Array, last: Array) -> Steps:
        rows = _single(rows)
        yaw = np.full(len(rows), self._cell.pusher.tip_yaw_rad)
        return Steps(
            RATE_HZ,
            pusher=_single(np.column_stack([rows[:, 3:], yaw])),
            slider=rows[:, :3],
            action=np.vstack([rows[1:, 3:], _single(last)]),
            goal=_single(self._task.goal.as_array()),
        )


def draw_start(cell: CellConfig, task: Task, rng: np.random.Generator) -> tuple[PlanarPose, Array]:
    """Slider and pusher (2,): half as in a trial, else near the goal or anywhere, at any place."""
    kind = rng.random()
    if kind < 0.5:
        return task.sample_start(rng), task.pusher_home
    inside = cell.workspace.polygon.inset(cell.workspace.margin_m)
    goal, reach_m = task.goal, task.shape.radius_m + 2 * task.pusher_radius_m
    while True:
        if kind < 0.8:
            spread_m = rng.choice([0.015, 0.03, 0.06])
            x, y, turn = spread_m * rng.standard_normal(3)
            slider = PlanarPose(goal.x + x, goal.y + y, goal.theta + 8 * turn)
        else:
            x, y = _anywhere(inside.vertices, rng)
            slider = PlanarPose(float(x), float(y), rng.uniform(-math.pi, math.pi))
        pusher = task.pusher_home
        place = rng.random()
        if place > 0.6:
            pusher = _anywhere(inside.vertices, rng)
        elif place > 0.3:
            pusher = slider.position + rng.uniform(-reach_m, reach_m, 2)
        if not inside.contains(pusher) or not inside.contains(slider.position, 0.03):
            continue
        if task.shape.distance(slider, pusher) > task.pusher_radius_m + 0.0005:
            return slider, pusher


def _anywhere(corners: Array, rng: np.random.Generator) -> Array:
    """(2,) in the corners' bounding box."""
    return rng.uniform(corners.min(axis=0), corners.max(axis=0))


def _single(values: NDArray[np.floating]) -> Array:
    """In single precision, so that every format keeps them exactly."""
    return values.astype(np.float32).astype(np.float64)
