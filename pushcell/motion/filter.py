"""The command filter: whatever the target does, the pusher's motion stays within its limits.

The filter holds the commanded state of the tip (position, velocity, acceleration) and moves it
one tick at a time, towards a moving target or to a stop, with Ruckig's jerk-limited profiles.
A next state is only taken together with a stop from it that was looked at tick by tick and stays
in the workspace and within the speed limit. Where there is none, the stop that came with the
present state is played. So whatever happens, the next state is one that was found good before.
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
    RuckigError,
    Synchronization,
    Trajectory,
)

from pushcell.config.motion import MotionLimits, StopLimits
from pushcell.geometry import Array, ConvexPolygon

# The limits hold for the length of the vectors; Ruckig limits each axis by itself.
_PER_AXIS = 1 / math.sqrt(2)
# The filter aims at where the target will be this much later [s]: with no look ahead it would be
# late for every change of speed, and overshoot.
PREVIEW_S = 0.1
# A target as fast as the limit could never be caught up with.
_TARGET_SPEED_SHARE = 0.95
# Of rounding [m] and [m/s].
_SLACK = 1e-9


@dataclass(frozen=True)
class TipState:
    """The commanded motion of the pusher's tip in the base frame."""

    position: Array  # (2,) [m]
    velocity: Array  # (2,) [m/s]
    acceleration: Array  # (2,) [m/s^2]

    @classmethod
    def at_rest(cls, position: Array) -> TipState:
        """The state of a tip that rests at a position (2,) [m] in the base frame."""
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
        self._stop_ahead: list[TipState] = []
        self._stopping = False
        self.unsolved = 0

    def follow(self, target: Array, target_velocity: Array, limits: MotionLimits) -> bool:
        """Move one tick towards a moving target; False when it had to brake.

        The target (2,) [m] and its velocity (2,) [m/s] are those of `PREVIEW_S` after this tick.
        A target outside the workspace is followed to the nearest point inside. A stop that has
        begun is brought to its end: turned round halfway, it would swing back.
        """
        if self._stopping:
            self.brake()
            return False
        if not self._workspace.contains(target):
            target, target_velocity = self._workspace.nearest(target), np.zeros(2)
        # At rest is the second choice: a straight way from rest to rest never leaves the workspace,
        # so that no edge of it holds the pusher for ever.
        for velocity in (target_velocity, np.zeros(2)):
            try:
                candidate = self._towards(target, velocity, limits)
                stop = self._stop_from(candidate)
            except RuckigError:
                # No motion found is no motion to take; the stop ahead is known already.
                self.unsolved += 1
                continue
            if self._is_good([candidate, *stop], limits):
                self.state, self._stop_ahead = candidate, stop
                return True
        self.brake()
        return False

    def brake(self) -> None:
        """Move one tick of the shortest jerk-limited stop along the direction of motion."""
        if self._stop_ahead:
            self.state = self._stop_ahead.pop(0)
        self._stopping = bool(self._stop_ahead)

    def _towards(self, target: Array, velocity: Array, limits: MotionLimits) -> TipState:
        # Two frames make Ruckig's time-optimal profile the wanted one. It moves with the target, so
        # that the target is intercepted instead of trailed. Its x axis points at the target, so
        # that the way from rest to rest is straight.
        turn = _turn_towards(target - self.state.position)
        top = limits.speed_m_s * _PER_AXIS
        frame = np.clip(turn @ velocity, -_TARGET_SPEED_SHARE * top, _TARGET_SPEED_SHARE * top)
        now = target - PREVIEW_S * (turn.T @ frame)
        command = InputParameter(2)
        command.synchronization = Synchronization.No
        command.minimum_duration = PREVIEW_S
        command.current_position = _snapped(turn @ (self.state.position - now))
        command.current_velocity = _snapped(turn @ self.state.velocity - frame)
        command.current_acceleration = _snapped(turn @ self.state.acceleration)
        command.max_velocity = top - frame
        command.min_velocity = -top - frame
        command.max_acceleration = [limits.acceleration_m_s2 * _PER_AXIS] * 2
        command.max_jerk = [limits.jerk_m_s3 * _PER_AXIS] * 2
        position, speed, acceleration = self._solve(command).at_time(self._period_s)
        return TipState(
            now + turn.T @ (np.array(position) + frame * self._period_s),
            turn.T @ (np.array(speed) + frame),
            turn.T @ np.array(acceleration),
        )

    def _is_good(self, states: list[TipState], limits: MotionLimits) -> bool:
        """Whether states stay in the workspace and get no faster than allowed.

        Where the present state is not good itself, they must not make it worse.
        """
        speed = max(np.hypot(*state.velocity) for state in states)
        allowed_speed = max(limits.speed_m_s, np.hypot(*self.state.velocity))
        excess = self._workspace.excess([state.position for state in states]).max()
        allowed_excess = max(0.0, float(self._workspace.excess(self.state.position)))
        return bool(speed <= allowed_speed + _SLACK and excess <= allowed_excess + _SLACK)

    def _stop_from(self, state: TipState) -> list[TipState]:
        """The states of a stop, tick by tick; the last one is at rest."""
        command = InputParameter(2)
        command.control_interface = ControlInterface.Velocity
        command.synchronization = Synchronization.Phase
        command.current_position = state.position
        command.current_velocity = _snapped(state.velocity)
        command.current_acceleration = _snapped(state.acceleration)
        command.max_acceleration = [self._stop.acceleration_m_s2 * _PER_AXIS] * 2
        command.max_jerk = [self._stop.jerk_m_s3 * _PER_AXIS] * 2
        profile = self._solve(command)
        ticks = math.ceil(profile.duration / self._period_s)
        moving = [profile.at_time(tick * self._period_s) for tick in range(1, ticks)]
        rest, _, _ = profile.at_time(profile.duration)
        states = [TipState(*map(np.array, sample)) for sample in moving]
        return [*states, TipState.at_rest(np.array(rest))]

    def _solve(self, command: InputParameter) -> Trajectory:
        profile = Trajectory(2)
        result = self._otg.calculate(command, profile)
        if result not in (Result.Working, Result.Finished):
            raise RuckigError(str(result))
        return profile


def _snapped(values: Array) -> Array:
    """Zero for what is zero but for rounding, on which Ruckig's root finding fails."""
    return np.where(np.abs(values) < _SLACK, 0.0, values)


def _turn_towards(offset: Array) -> Array:
    """(2, 2) rotation into a frame whose x axis points along an offset (2,)."""
    distance = float(np.hypot(*offset))
    c, s = offset / distance if distance > _SLACK else (1.0, 0.0)
    return np.array([[c, s], [-s, c]])
