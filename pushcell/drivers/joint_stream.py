"""The last watchdog before the arm: plays a stream of joint commands, and stops when it ends.

Commands come with the time at which they are due, at the motion path's rate; the arm wants
positions at its own, higher rate. The stream is played one command period late, so that there
is something to interpolate. Where it falls silent the joints brake, jerk-limited, by themselves.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from ruckig import (
    ControlInterface,
    InputParameter,
    Result,
    Ruckig,
    Synchronization,
    Trajectory,
)

from pushcell.config_arm import ArmConfig
from pushcell.errors import ArmLinkError
from pushcell.geometry import Array

_KEPT = 8


class JointStream:
    """Joint positions (7,) [rad] as a function of time, from commands that may stop coming."""

    def __init__(self, arm: ArmConfig, command_period_s: float, q_start: Array) -> None:
        self._arm = arm
        self._delay_s = command_period_s
        self._silence_s = arm.command_silence_s
        self._commands: deque[tuple[float, Array]] = deque(maxlen=_KEPT)
        self._q = np.array(q_start, dtype=float)
        self._qd = np.zeros(7)
        self._played_s: float | None = None
        self._stop: tuple[float, Trajectory] | None = None
        self.refused = 0

    @property
    def silent(self) -> bool:
        """Whether the joints were stopped because commands stopped coming."""
        return self._stop is not None

    def push(self, due_s: float, position: Array) -> bool:
        """Take a command; False (and counted) when it is malformed, too old or out of order.

        After a silence the stream starts again only from where the joints stand.
        """
        well_formed = position.shape == (7,) and np.isfinite(position).all()
        in_order = not self._commands or due_s > self._commands[-1][0]
        restarting = not self._commands and well_formed
        far = restarting and np.abs(position - self._q).max() > self._arm.first_command_max_jump_rad
        if not well_formed or not in_order or far:
            self.refused += 1
            return False
        if restarting:
            self._commands.append((due_s - self._delay_s, self._q))
            self._stop = None
        self._commands.append((due_s, np.array(position, dtype=float)))
        return True

    def position_at(self, now_s: float) -> Array:
        """The joints (7,) to command now; times must not go back."""
        due_s = now_s - self._delay_s
        if self._commands and due_s - self._commands[-1][0] > self._silence_s:
            self._begin_stop(now_s)
        q = self._interpolated(due_s) if self._stop is None else _along(*self._stop, now_s)
        if self._played_s is not None and now_s > self._played_s:
            self._qd = (q - self._q) / (now_s - self._played_s)
        self._q, self._played_s = q, now_s
        return q

    def _interpolated(self, due_s: float) -> Array:
        """Linear between the commands around the time; a late command is waited for in place."""
        if not self._commands:
            return self._q
        times = [time_s for time_s, _ in self._commands]
        later = next((i for i, time_s in enumerate(times) if time_s > due_s), None)
        if later is None:
            return self._extrapolated(due_s)
        if later == 0:
            return self._commands[0][1]
        (t0, q0), (t1, q1) = self._commands[later - 1], self._commands[later]
        return q0 + (due_s - t0) / (t1 - t0) * (q1 - q0)

    def _extrapolated(self, due_s: float) -> Array:
        """On with the last velocity, until the next command comes or silence is declared."""
        (t0, q0), (t1, q1) = self._commands[-2], self._commands[-1]
        return q1 + (due_s - t1) / (t1 - t0) * (q1 - q0)

    def _begin_stop(self, now_s: float) -> None:
        command = InputParameter(7)
        command.control_interface = ControlInterface.Velocity
        command.synchronization = Synchronization.Phase
        command.current_position = self._q
        command.current_velocity = self._qd
        command.max_acceleration = self._arm.joint_acceleration_limits_rad_s2
        command.max_jerk = self._arm.joint_jerk_limits_rad_s3
        profile = Trajectory(7)
        result = Ruckig(7).calculate(command, profile)
        if result not in (Result.Working, Result.Finished):
            raise ArmLinkError(f"Ruckig finds no stop for the joints ({result})")
        self._commands.clear()
        self._stop = (now_s if self._played_s is None else self._played_s, profile)


def _along(began_s: float, profile: Trajectory, now_s: float) -> Array:
    return np.array(profile.at_time(min(now_s - began_s, profile.duration))[0])
