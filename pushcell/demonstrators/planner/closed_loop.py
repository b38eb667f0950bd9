"""The privileged controller: it sees the slider's true pose and plans anew after every push.

The commanded path never jumps. After a push the pusher goes back off the slider while the next
plan is made, and the new path begins where and when it rests there. When the slider is not
where the plan has it, the pusher brakes along its path and the new one begins at that rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner.plan import PushPlan
from pushcell.demonstrators.planner.planner import PushPlanner
from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.demonstrators.planner.timing import PusherTrajectory
from pushcell.geometry import Array, PlanarPose

ACTIONS = 16
ACTION_RATE_HZ = 10.0
_BRAKE_S = 0.2
_LAGS_S = (0.0, 0.1, 0.2, 0.3)  # an arm, and with it the slider, may follow so much later


@dataclass(frozen=True)
class _Course:
    """A plan, when it starts, and the whole commanded path in the caller's time."""

    plan: PushPlan
    start_s: float
    command: PusherTrajectory

    @property
    def end_s(self) -> float:
        return self.start_s + self.plan.duration_s

    def deviation(self, time_s: float, slider: PlanarPose, settings: PlannerSettings) -> float:
        """How far the slider is off the prediction, in units of what is too far."""

        def off(lag_s: float) -> float:
            expected = self.plan.predicted_slider_at(time_s - self.start_s - lag_s)
            position, angle = slider.distance_to(expected)
            return max(position / settings.abort_m, angle / settings.abort_rad)

        return min(off(lag_s) for lag_s in _LAGS_S)

    def braked(self, time_s: float) -> PusherTrajectory:
        """The command slowing down evenly along its path, from ``time_s`` on."""
        since = np.linspace(0, _BRAKE_S, 11)
        slowed = self.command.at(time_s + since - since**2 / (2 * _BRAKE_S))
        return PusherTrajectory(time_s + since, slowed)


class ClosedLoopPlanner:
    """Turns the slider's and pusher's true poses into chunks of pusher positions."""

    def __init__(self, cell: CellConfig, settings: PlannerSettings | None = None) -> None:
        self._planner = PushPlanner(cell, settings)
        # A pusher further than this from its command would not be let go there in one move.
        self._lost_m = cell.motion.first_target_max_jump_m
        self._horizon_s = np.arange(1, ACTIONS + 1) / ACTION_RATE_HZ
        self.reset()

    def reset(self) -> None:
        """Forget the plan; the next call begins at the pusher's own position."""
        self._course: _Course | None = None
        self._last_call_s = -math.inf
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the slider is at the goal and the pusher has been told to rest at home."""
        return self._done

    @property
    def plan(self) -> PushPlan | None:
        """The plan that is being carried out."""
        return self._course.plan if self._course else None

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        """(16, 2) pusher positions [m] at the next sixteen periods after ``time_s``.

        Raises PlanningError when there is no plan from here.
        """
        pusher = np.asarray(pusher, dtype=float)
        if time_s < self._last_call_s:
            self.reset()
        if self._course and not self._is_lost(self._course, time_s, pusher):
            course = self._revised(self._course, time_s, slider)
        else:
            resting = PusherTrajectory(np.array([time_s]), pusher[None])
            course = self._planned(slider, resting, time_s, None)
        self._course, self._last_call_s = course, time_s
        self._done = time_s >= course.end_s and self._planner.is_good(slider)
        return course.command.at(time_s + self._horizon_s)

    def _is_lost(self, course: _Course, time_s: float, pusher: Array) -> bool:
        away = np.linalg.norm(course.command.at(time_s) - pusher)
        return bool(away > self._lost_m)

    def _revised(self, course: _Course, time_s: float, slider: PlanarPose) -> _Course:
        """The same course, or a new one where a push has ended or gone wrong."""
        if time_s < course.start_s:
            return course  # going back off the slider, with the plan made already
        if course.deviation(time_s, slider, self._planner.settings) > 1:
            return self._planned(slider, course.braked(time_s), time_s + _BRAKE_S, None)
        pushes = course.plan.pushes
        if pushes and time_s >= course.start_s + pushes[0].end_s:
            clear_s = max(course.start_s + pushes[0].clear_s, time_s)
            remaining = pushes[1].primitive if len(pushes) > 1 else None
            return self._planned(slider, course.command, clear_s, remaining)
        if time_s >= course.end_s and not self._planner.is_good(slider):
            return self._planned(slider, course.command, time_s, None)
        return course

    def _planned(
        self, slider: PlanarPose, command: PusherTrajectory, start_s: float, prefer: int | None
    ) -> _Course:
        """A new plan that begins where the command is at ``start_s``."""
        tolerance_m = self._planner.settings.replanned_tolerance_m
        plan = self._planner.plan(
            slider, command.at(start_s), prefer=prefer, tolerance_m=tolerance_m
        )
        return _Course(plan, start_s, command.followed_by(plan.trajectory, start_s))
