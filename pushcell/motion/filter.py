"""The command filter: whatever the target does, the pusher's motion stays within its limits.

The filter holds the commanded state of the tip (position, velocity, acceleration) and moves it
one tick at a time, towards a moving target or to a stop, with Ruckig's jerk-limited profiles.
Each tick it first asks whether a stop from the next state would stay in the workspace. If not,
it brakes at once. So from every state that it ever commands, a stop inside the workspace exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ruckig import (
    ControlInterface,
    InputParameter,
    Result,
    Ruckig,
    Synchronization,
    Trajectory,
)

from pushcell.config import MotionLimits, StopLimits
from pushcell.errors import PushcellError
from pushcell.geometry import Array, ConvexPolygon

# The limits hold for the length of the vectors; Ruckig limits each axis by itself.
_PER_AXIS = 1 / math.sqrt(2)
# A target as fast as the limit could never be caught up with.
_TARGET_SPEED_SHARE = 0.95
_STOP_SAMPLES = np.linspace(0.0, 1.0, 9)


@dataclass(frozen=True)
class TipState:
    """The commanded motion of the pusher's tip in the base frame."""

    position: Array  # (2,) [m]
    velocity: Array  # (2,) [m/s]
    acceleration: Array  # (2,) [m/s^2]

    @classmethod
    def at_rest(cls, position: Array) -> TipState:
        """Standing still."""
        return cls(np.array(position, dtype=float), np.zeros(2), np.zeros(2))

    @property
    def still(self) -> bool:
        """Whether the tip neither moves nor accelerates."""
        return bool(np.abs(self.velocity).max() < 1e-6 and np.abs(self.acceleration).max() < 1e-5)


class CommandFilter:
    """Moves the commanded tip state, a tick of ``period_s`` at a time."""

    def __init__(
        self, workspace: ConvexPolygon, stop: StopLimits, period_s: float, start: Array
    ) -> None:
        self._workspace = workspace
        self._stop = stop
        self._period_s = period_s
        self._otg = Ruckig(2)
        self.state = TipState.at_rest(start)

    def follow(self, target: Array, target_velocity: Array, limits: MotionLimits) -> bool:
        """Move one tick towards a moving target (2,) [m], (2,) [m/s]; False when it had to brake.

        A target outside the workspace is followed to the nearest point inside.
        """
        if not self._workspace.contains(target):
            target, target_velocity = self._workspace.nearest(target), np.zeros(2)
        candidate = self._towards(target, target_velocity, limits)
        if self._can_stop_inside(candidate):
            self.state = candidate
            return True
        self.brake()
        return False

    def brake(self) -> None:
        """Move one tick of the shortest jerk-limited stop along the direction of motion."""
        profile = self._stop_profile(self.state)
        self.state = TipState(*map(np.array, profile.at_time(self._period_s)))

    def _towards(self, target: Array, velocity: Array, limits: MotionLimits) -> TipState:
        # In the frame that moves with the target the target rests, so that Ruckig's time-optimal
        # profile intercepts it instead of trailing behind where it was.
        top = limits.speed_m_s * _PER_AXIS
        frame = np.clip(velocity, -_TARGET_SPEED_SHARE * top, _TARGET_SPEED_SHARE * top)
        command = InputParameter(2)
        command.synchronization = Synchronization.No
        command.current_position = self.state.position - target
        command.current_velocity = self.state.velocity - frame
        command.current_acceleration = self.state.acceleration
        command.max_velocity = top - frame
        command.min_velocity = -top - frame
        command.max_acceleration = [limits.acceleration_m_s2 * _PER_AXIS] * 2
        command.max_jerk = [limits.jerk_m_s3 * _PER_AXIS] * 2
        position, velocity, acceleration = self._solve(command).at_time(self._period_s)
        return TipState(
            np.array(position) + target + frame * self._period_s,
            np.array(velocity) + frame,
            np.array(acceleration),
        )

    def _can_stop_inside(self, state: TipState) -> bool:
        profile = self._stop_profile(state)
        path = [profile.at_time(profile.duration * share)[0] for share in _STOP_SAMPLES]
        return bool(self._workspace.contains(path, -1e-6).all())

    def _stop_profile(self, state: TipState) -> Trajectory:
        command = InputParameter(2)
        command.control_interface = ControlInterface.Velocity
        command.synchronization = Synchronization.Phase
        command.current_position = state.position
        command.current_velocity = state.velocity
        command.current_acceleration = state.acceleration
        command.max_acceleration = [self._stop.acceleration_m_s2 * _PER_AXIS] * 2
        command.max_jerk = [self._stop.jerk_m_s3 * _PER_AXIS] * 2
        return self._solve(command)

    def _solve(self, command: InputParameter) -> Trajectory:
        profile = Trajectory(2)
        result = self._otg.calculate(command, profile)
        if result not in (Result.Working, Result.Finished):
            raise PushcellError(f"Ruckig finds no jerk-limited motion ({result}) for {command}")
        return profile
