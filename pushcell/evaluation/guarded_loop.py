"""Runs a bundle through the robot's motion path, in simulated time: chunks are joined, checked and
filtered as `motion_node` does it, tick by tick, only the arm's joints are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.config.cell import CellConfig
from pushcell.errors import PhysicsError, PlanningError
from pushcell.evaluation.bundle_controller import BundleController
from pushcell.geometry import Array
from pushcell.motion.filter import PREVIEW_S, CommandFilter
from pushcell.motion.sources import ChunkSource, Halt
from pushcell.simulation.closed_loop import TrialResult
from pushcell.simulation.world import PushingWorld
from pushcell.task import Task

# Injected delays are looked into, so the guard's limit to them does not end trials here.
_ANY_AGE_S = 60.0
_STILL_M_S = 1e-3


def lookahead_s(cell: CellConfig) -> float:
    """How far the motion looks ahead into a plan [s]."""
    return PREVIEW_S + cell.motion.tick_s


@dataclass(frozen=True)
class Smoothness:
    """How evenly the pusher was told to move, from its first motion to the end."""

    jerk_rms_m_s3: float
    still_share: float  # of the time
    border_jumps_m: float  # 95th percentile over chunks, of the target where one took over
    border_jumps_m_s: float  # and of its velocity


class GuardedMotion:
    """The pusher's commanded tip, a tick at a time."""

    def __init__(self, cell: CellConfig, start: Array) -> None:
        motion = cell.motion.changed(observation_age_s=_ANY_AGE_S)
        workspace = cell.workspace.polygon
        self._source = ChunkSource(motion, workspace)
        inside = workspace.inset(cell.workspace.margin_m)
        self._filter = CommandFilter(inside, motion.stop, motion.tick_s, start)
        self._plan: ActionChunk | None = None
        self._velocities: list[Array] = []
        self._accelerations: list[Array] = []
        self._jumps: list[tuple[float, float]] = []
        self._tick_s = motion.tick_s

    def tick(self, now_s: float, plan: ActionChunk | None) -> Array:
        """(2,) where the tip shall be one tick later [m]; raises PlanningError for a stop that the
        guard would not begin again from by itself."""
        tip = self._filter.state.position
        if plan is not None:
            self._note_border(now_s, plan)
            self._check(self._source.on_chunk(now_s, plan, tip))
        reference = self._source.reference(now_s, tip)
        if isinstance(reference, Halt):
            self._check(reference)
            self._filter.brake()
        else:
            self._filter.follow(reference.position, reference.velocity, self._source.limits)
        self._velocities.append(self._filter.state.velocity)
        self._accelerations.append(self._filter.state.acceleration)
        return self._filter.state.position

    def smoothness(self) -> Smoothness:
        """Of all ticks so far."""
        speeds = np.linalg.norm(np.array(self._velocities).reshape(-1, 2), axis=1)
        moving = np.flatnonzero(speeds > _STILL_M_S)
        first, last = (moving[0], moving[-1] + 1) if len(moving) else (0, 0)
        jerks = np.diff(np.array(self._accelerations)[first:last], axis=0) / self._tick_s
        jumps = np.array(self._jumps).reshape(-1, 2)
        worst = np.percentile(jumps, 95, axis=0) if len(jumps) else np.zeros(2)
        return Smoothness(
            float(np.sqrt((jerks**2).sum(axis=1).mean())) if len(jerks) else 0.0,
            float((speeds[first:last] <= _STILL_M_S).mean()) if last else 0.0,
            float(worst[0]),
            float(worst[1]),
        )

    def _note_border(self, now_s: float, plan: ActionChunk) -> None:
        """How far the target jumps, in position and velocity, where a new plan takes over."""
        if plan is self._plan:
            return
        if self._plan is not None and now_s <= self._plan.end_s:
            ahead = now_s + self._tick_s + PREVIEW_S
            (p0, v0), (p1, v1) = self._plan.sample(ahead), plan.sample(ahead)
            self._jumps.append((float(np.linalg.norm(p1 - p0)), float(np.linalg.norm(v1 - v0))))
        self._plan = plan

    def _check(self, halt: Halt | None) -> None:
        if halt is not None and halt.ends_turn:
            raise PlanningError(f"the guard stopped the arm: {halt.reason.value}")


def run_guarded(
    world: PushingWorld, controller: BundleController, task: Task, cell: CellConfig
) -> tuple[TrialResult, Smoothness]:
    """Run until the task is done, the guard ends the policy's turn, time is over or physics fail.

    The result's states are those of the policy's periods.
    """
    controller.reset()
    motion = GuardedMotion(cell, world.pusher_position)
    per_period = round(controller.stepped_policy.period_s / cell.motion.tick_s)
    states: list[Array] = []
    ended, tick = "", 0
    while True:
        now_s, slider, pusher = world.time_s, world.slider_pose, world.pusher_position
        if tick % per_period == 0:
            states.append(np.array([now_s, *slider.as_array(), *pusher]))
            if task.judge(slider, pusher, now_s).success:
                break
        if now_s >= task.success.time_limit_s:
            break
        try:
            if tick % per_period == 0:
                controller.observe(now_s, slider, pusher)
            target = motion.tick(now_s, controller.stepped_policy.plan(now_s))
            world.advance(target, cell.motion.tick_s)
        except (PlanningError, PhysicsError) as error:
            ended = f"; {error}"
            break
        tick += 1
    judgement = task.judge(slider, pusher, now_s)
    table = np.array(states)
    result = TrialResult(
        judgement.success,
        judgement.reason + ended,
        judgement.position_error_m,
        judgement.angle_error_rad,
        now_s,
        table[:, 0],
        table[:, 1:4],
        table[:, 4:],
        table[1:, 4:],
    )
    return result, motion.smoothness()
