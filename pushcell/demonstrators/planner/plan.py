"""A plan: a few pushes, and the timed path of the pusher that carries them out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushcell.demonstrators.planner.primitives import PushPrimitives
from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.demonstrators.planner.timing import PusherTrajectory
from pushcell.geometry import Array, PlanarPose


@dataclass(frozen=True)
class Push:
    """One push and when it happens, in seconds since the plan's start."""

    primitive: int
    length_m: float  # along the contact's normal
    slider_before: PlanarPose
    slider_after: PlanarPose
    start_s: float  # the pusher leaves the approach point
    end_s: float  # it has pushed, and has rested for an arm that lags
    clear_s: float  # it rests at the approach point again


@dataclass(frozen=True)
class PushPlan:
    """What the pusher will do and what the slider should do."""

    goal: PlanarPose
    pushes: tuple[Push, ...]
    trajectory: PusherTrajectory
    slider_poses: Array  # (N, 3) at the trajectory's times

    @property
    def duration_s(self) -> float:
        """From the start to the pusher's rest at home."""
        return float(self.trajectory.times_s[-1])

    @property
    def slider_end(self) -> PlanarPose:
        """Where the slider ends up by the plan's own model."""
        return self.predicted_slider_at(self.duration_s)

    def pusher_at(self, time_s: float) -> Array:
        """(2,) position of the pusher [m]."""
        return self.trajectory.at(time_s)

    def predicted_slider_at(self, time_s: float) -> PlanarPose:
        """The slider's pose by the plan's own model."""
        times = self.trajectory.times_s
        return PlanarPose.from_array(
            [np.interp(time_s, times, column) for column in self.slider_poses.T]
        )


class PlanBuilder:
    """Strings travels and pushes together in time."""

    def __init__(
        self,
        primitives: PushPrimitives,
        settings: PlannerSettings,
        slider: PlanarPose,
        pusher: Array,
    ) -> None:
        self._primitives = primitives
        self._settings = settings
        self._slider = slider
        self._now = 0.0
        self._times = [np.zeros(1)]
        self._positions = [np.asarray(pusher, dtype=float)[None]]
        self._poses = [slider.as_array()[None]]
        self._pushes: list[Push] = []

    def travel(self, path: Array) -> None:
        """Follow a polyline (K, 2) from where the pusher is, without touching the slider."""
        times, positions = self._settings.travel_pace.drive(path)
        still = np.repeat(self._slider.as_array()[None], len(times), axis=0)
        self._append(times, positions, still)

    def push(self, primitive: int, length_m: float) -> None:
        """Push from the approach point where the pusher is, and go back off the slider."""
        s, p = self._settings, self._primitives
        before, start_s = self._slider, self._now
        distance = s.clearance_m + length_m * p.stretch[primitive]
        times, driven = s.push_pace.drive(np.array([[0.0], [distance]]))
        driven = driven[:, 0]
        pushed = np.maximum(driven - s.clearance_m, 0) / p.stretch[primitive]
        poses = p.poses_along(primitive, before, pushed)
        gap = np.maximum(s.clearance_m - driven, 0)[:, None]
        points = p.centres[primitive] - gap * p.normals[primitive]
        cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        x = poses[:, 0] + cos * points[:, 0] - sin * points[:, 1]
        y = poses[:, 1] + sin * points[:, 0] + cos * points[:, 1]
        positions = np.column_stack([x, y])
        self._append(times, positions, poses)
        self._append(np.array([s.dwell_s]), positions[-1:], poses[-1:])
        self._slider, end_s = p.pose_after(primitive, before, length_m), self._now
        self.travel(np.stack([positions[-1], self._slider.transform(p.approaches[primitive])]))
        push = Push(primitive, length_m, before, self._slider, start_s, end_s, self._now)
        self._pushes.append(push)

    def build(self, goal: PlanarPose) -> PushPlan:
        """The plan so far."""
        trajectory = PusherTrajectory(np.concatenate(self._times), np.concatenate(self._positions))
        return PushPlan(goal, tuple(self._pushes), trajectory, np.concatenate(self._poses))

    def _append(self, times: Array, positions: Array, poses: Array) -> None:
        if not len(times):
            return
        self._times.append(self._now + times)
        self._positions.append(positions)
        self._poses.append(poses)
        self._now += float(times[-1])
