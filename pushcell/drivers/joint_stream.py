"""The last watchdog before the arm: plays a stream of joint commands, and stops when it ends.

Commands come with the time at which they are due, at the motion path's rate; the arm wants
positions at its own, higher rate. The stream is played a little more than one command period late,
so that there is something to interpolate. It begins, and begins again, only near where the joints
are. Where it falls silent the joints brake, jerk-limited, by themselves. Whatever is commanded, no
joint is sent faster, or faster to another speed, than its limits.
"""

from __future__ import annotations

import numpy as np
from ruckig import (
    ControlInterface,
    InputParameter,
    Result,
    Ruckig,
    Synchronization,
    Trajectory,
)

from pushcell.config.arm import ArmConfig
from pushcell.drivers.joint_path import FADING, JointCommand, JointMotion, JointPath
from pushcell.drivers.step_limit import StepLimit
from pushcell.errors import ArmLinkError
from pushcell.geometry import Array

# How long a command may be on its way, beyond its period, before its absence is felt.
_ON_THE_WAY_S = 0.003
# A command may be due this long after now: clocks are read at different moments.
_MAX_AHEAD_S = 0.05
# Who was held up this long must not catch up: the arm stood still meanwhile.
_HELD_UP_S = 0.05
# Ticks of the commanding clock come unevenly: the speed between two commands may seem higher.
_UNEVENNESS = 2.0


class JointStream:
    """Joint positions (n,) [rad] as a function of time, from commands that may stop coming."""

    def __init__(self, arm: ArmConfig, command_period_s: float, q_start: Array) -> None:
        self._arm = arm
        self._period_s = command_period_s
        self._delay_s = command_period_s + _ON_THE_WAY_S
        self._max_speed = np.array(arm.joint_velocity_limits_rad_s)
        self._max_acceleration = np.array(arm.joint_acceleration_limits_rad_s2)
        self._motion = JointMotion.at_rest(q_start)
        self._sent = StepLimit(self._motion.q, self._max_speed, self._max_acceleration)
        self._played_s: float | None = None
        self._path: JointPath | None = None
        self._stop: tuple[float, Trajectory] | None = None
        self._sender = ""
        self.closed = False
        self.refused = 0

    @property
    def silent(self) -> bool:
        """Whether the joints were stopped because commands stopped coming."""
        return self._stop is not None and not self.closed

    @property
    def resting(self) -> bool:
        """Whether the joints stand still until the next command."""
        if self._stop is None or self._played_s is None:
            return self._path is None
        began_s, profile = self._stop
        return self._played_s - began_s >= profile.duration and self._sent.resting

    def push(
        self, now_s: float, due_s: float, position: Array, velocity: Array, sender: str
    ) -> bool:
        """Take a command; False (and counted) when it is malformed, late, early or a jump.

        Whose commands began the stream has it until it ends.
        """
        command = JointCommand(due_s, np.array(position), np.array(velocity), sender)
        if self.closed or not self._timely(now_s, command) or not self._fits(command):
            self.refused += 1
            return False
        at_s = (now_s if self._played_s is None else self._played_s) - self._delay_s
        if self._path is None:
            self._path = JointPath(self._period_s, at_s, self._motion, command)
        else:
            self._path.add(command, at_s, self._motion)
        self._sender, self._stop = sender, None
        return True

    def position_at(self, now_s: float) -> Array:
        """The joints (n,) to command now."""
        passed_s = 0.0 if self._played_s is None else now_s - self._played_s
        if not 0 <= passed_s <= _HELD_UP_S:
            passed_s, self._played_s = 0.0, now_s
            self._motion = JointMotion.at_rest(self._motion.q)
            self._sent.halt()
            if self._path is not None or self._stop is not None:
                self._brake(now_s)
        due_s = now_s - self._delay_s
        if self._path and due_s - self._path.newest.due_s > self._arm.command_silence_s:
            self._brake(now_s)
        self._motion = self._limited(self._next(now_s, due_s), passed_s)
        self._played_s = now_s
        return self._sent.follow(self._motion.q, passed_s)

    def close(self, now_s: float) -> None:
        """Stop, jerk-limited, and take no more commands."""
        if not self.closed and self._stop is None:
            self._brake(now_s)
        self.closed = True

    def _timely(self, now_s: float, command: JointCommand) -> bool:
        """Whether the command can be followed at all: well formed, neither late nor early."""
        values = [command.due_s, *command.q, *command.qd]
        latest_s = self._delay_s + self._arm.command_silence_s
        return (
            command.q.shape == command.qd.shape == self._motion.q.shape
            and bool(np.isfinite(values).all())
            and -_MAX_AHEAD_S <= now_s - command.due_s <= latest_s
        )

    def _fits(self, command: JointCommand) -> bool:
        if self._path is None:
            return self._begins(command)
        newest = self._path.newest
        passed_s = command.due_s - newest.due_s
        reach = _UNEVENNESS * self._max_speed * max(passed_s, self._period_s)
        near = bool((np.abs(command.q - newest.q) <= reach).all())
        slow = bool((np.abs(command.qd) <= _UNEVENNESS * self._max_speed).all())
        return passed_s > 0 and command.sender == self._sender and near and slow

    def _begins(self, command: JointCommand) -> bool:
        """Anybody may begin at rest; a stop is called off only by whoever had the stream."""
        max_jump = self._arm.first_command_max_jump_rad
        near = bool((np.abs(command.q - self._motion.q) <= max_jump).all())
        # What fades from this difference of speed is within the limit of acceleration.
        max_step = self._max_acceleration / (2 * FADING)
        like = bool((np.abs(command.qd - self._motion.qd) <= max_step).all())
        return near and like and (self.resting or command.sender == self._sender)

    def _next(self, now_s: float, due_s: float) -> JointMotion:
        if self._stop is not None:
            began_s, profile = self._stop
            at_s = min(now_s - began_s, profile.duration)
            return JointMotion(*map(np.array, profile.at_time(at_s)))
        return self._motion if self._path is None else self._path.at(due_s)

    def _limited(self, wanted: JointMotion, passed_s: float) -> JointMotion:
        """The wanted motion as far as the joints get at their highest speed."""
        step, reach = wanted.q - self._motion.q, self._max_speed * passed_s
        if (np.abs(step) <= reach + 1e-12).all():
            return wanted
        step = np.clip(step, -reach, reach)
        speed = step / passed_s if passed_s > 0 else self._motion.qd
        return JointMotion(self._motion.q + step, speed, np.zeros_like(step))

    def _brake(self, now_s: float) -> None:
        count = len(self._motion.q)
        command = InputParameter(count)
        command.control_interface = ControlInterface.Velocity
        command.synchronization = Synchronization.Phase
        command.current_position = self._motion.q
        command.current_velocity = self._motion.qd
        command.current_acceleration = np.clip(
            self._motion.qdd, -self._max_acceleration, self._max_acceleration
        )
        command.max_acceleration = self._max_acceleration
        command.max_jerk = self._arm.joint_jerk_limits_rad_s3
        profile = Trajectory(count)
        result = Ruckig(count).calculate(command, profile)
        if result not in (Result.Working, Result.Finished):
            raise ArmLinkError(f"Ruckig finds no stop for the joints ({result})")
        self._path = None
        self._stop = (now_s if self._played_s is None else self._played_s, profile)
