"""The last watchdog before the arm: plays a stream of joint commands, and stops when it ends.

Commands come with the time at which they are due, at the motion path's rate; the arm wants
positions at its own, higher rate. The stream is played one command period late, so that there
is something to interpolate: cubics through the commanded positions and velocities. Where it
falls silent the joints brake, jerk-limited, by themselves. It begins, and begins again, only
near where the joints are. Commands that come late or unevenly, as on a busy machine, are passed
over to gently. Whatever is commanded, no joint is sent faster than its limit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

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
# A command may be due this long after now: clocks are read at different moments.
_MAX_AHEAD_S = 0.05
# Who was held up this long must not catch up: the arm stood still meanwhile.
_HELD_UP_S = 0.05
# Ticks of the commanding clock come unevenly: the speed between two commands may seem higher.
_UNEVENNESS = 2.0
# The share of a tick's unevenness that is believed: the rest is of the computer, not of the path.
_EVENING = 0.02
# Commands that differ by their velocities times whole periods, up to this, are of one motion.
_SAME_RAD = 2e-4
# How fast the joints pass over to commands that do not continue their motion [1/s].
_FADING = 15.0
# How long a command may be on its way, beyond its period, before its absence is felt.
_ON_THE_WAY_S = 0.003


@dataclass(frozen=True)
class _Motion:
    """Positions [rad], velocities [rad/s] and accelerations [rad/s^2] of the joints, (7,) each."""

    q: Array
    qd: Array
    qdd: Array

    @classmethod
    def at_rest(cls, q: Array) -> _Motion:
        return cls(np.array(q, dtype=float), np.zeros(7), np.zeros(7))

    def __add__(self, other: _Motion) -> _Motion:
        return _Motion(self.q + other.q, self.qd + other.qd, self.qdd + other.qdd)

    def __sub__(self, other: _Motion) -> _Motion:
        return _Motion(self.q - other.q, self.qd - other.qd, self.qdd - other.qdd)


@dataclass(frozen=True)
class _Command:
    due_s: float
    q: Array
    qd: Array
    sender: str


class JointStream:
    """Joint positions (7,) [rad] as a function of time, from commands that may stop coming."""

    def __init__(self, arm: ArmConfig, command_period_s: float, q_start: Array) -> None:
        self._arm = arm
        self._period_s = command_period_s
        self._delay_s = command_period_s + _ON_THE_WAY_S
        self._max_speed = np.array(arm.joint_velocity_limits_rad_s)
        self._max_acceleration = np.array(arm.joint_acceleration_limits_rad_s2)
        self._commands: deque[_Command] = deque(maxlen=_KEPT)
        self._last: _Command | None = None
        self._offset, self._joined_s = _Motion.at_rest(np.zeros(7)), -np.inf
        self._even_s = -np.inf
        self._motion = _Motion.at_rest(q_start)
        self._played_s: float | None = None
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
            return self._last is None
        began_s, profile = self._stop
        return self._played_s - began_s >= profile.duration

    def push(
        self, now_s: float, due_s: float, position: Array, velocity: Array, sender: str
    ) -> bool:
        """Take a command; False (and counted) when it is malformed, late, early or a jump.

        Whose commands began the stream has it until it ends.
        """
        well_formed = position.shape == velocity.shape == (7,)
        well_formed = well_formed and bool(np.isfinite([due_s, *position, *velocity]).all())
        latest_s = self._delay_s + self._arm.command_silence_s
        timely = -_MAX_AHEAD_S <= now_s - due_s <= latest_s
        command = _Command(due_s, np.array(position), np.array(velocity), sender)
        if self.closed or not well_formed or not timely or not self._fits(command):
            self.refused += 1
            return False
        if self._played_s is None:
            self._played_s = now_s
        if not self._append(command, self._last):
            self._join(command)
        self._last, self._sender = command, sender
        return True

    def position_at(self, now_s: float) -> Array:
        """The joints (7,) to command now."""
        passed_s = 0.0 if self._played_s is None else now_s - self._played_s
        if not 0 <= passed_s <= _HELD_UP_S:
            passed_s, self._played_s = 0.0, now_s
            self._motion = _Motion.at_rest(self._motion.q)
            if self._last is not None or self._stop is not None:
                self._brake(now_s)
        due_s = now_s - self._delay_s
        if self._last is not None and due_s - self._last.due_s > self._arm.command_silence_s:
            self._brake(now_s)
        self._motion = self._limited(self._next(now_s, due_s), passed_s)
        self._played_s = now_s
        return self._motion.q

    def close(self, now_s: float) -> None:
        """Stop, jerk-limited, and take no more commands."""
        if not self.closed:
            if self._stop is None:
                self._brake(now_s)
            self.closed = True

    @property
    def _cursor_s(self) -> float:
        """The time of commands that was played last."""
        return -np.inf if self._played_s is None else self._played_s - self._delay_s

    def _fits(self, command: _Command) -> bool:
        if self._last is None:
            return self._begins(command)
        return self._continues(command, self._last)

    def _continues(self, command: _Command, last: _Command) -> bool:
        passed_s = command.due_s - last.due_s
        reach = _UNEVENNESS * self._max_speed * max(passed_s, self._period_s)
        near = bool((np.abs(command.q - last.q) <= reach).all())
        slow = bool((np.abs(command.qd) <= _UNEVENNESS * self._max_speed).all())
        return passed_s > 0 and command.sender == last.sender and near and slow

    def _begins(self, command: _Command) -> bool:
        """Anybody may begin at rest; a stop is called off only by whoever had the stream."""
        max_jump = self._arm.first_command_max_jump_rad
        near = bool((np.abs(command.q - self._motion.q) <= max_jump).all())
        # What fades from this difference of speed is within the limit of acceleration.
        max_step = self._max_acceleration / (2 * _FADING)
        like = bool((np.abs(command.qd - self._motion.qd) <= max_step).all())
        return near and like and (self.resting or command.sender == self._sender)

    def _append(self, command: _Command, last: _Command | None) -> bool:
        """Add a command that goes on with the same motion, at its even time; False otherwise."""
        if last is None:
            return False
        periods = max(1, round((command.due_s - self._even_s) / self._period_s))
        even_s = self._even_s + periods * self._period_s
        way = 0.5 * periods * self._period_s * (last.qd + command.qd)
        same_motion = (np.abs(command.q - last.q - way) <= _SAME_RAD).all()
        newest_s = self._commands[-1].due_s
        if not same_motion or even_s <= newest_s or newest_s < self._cursor_s:
            return False
        self._even_s = even_s + _EVENING * (command.due_s - even_s)
        self._commands.append(replace(command, due_s=self._even_s))
        return True

    def _join(self, command: _Command) -> None:
        """Pass over from the motion as it is to the command's; the difference fades."""
        ahead_s = self._cursor_s - command.due_s
        early = replace(command, due_s=self._cursor_s, q=command.q + ahead_s * command.qd)
        self._commands.clear()
        self._commands.append(early)
        if ahead_s < 0:
            self._commands.append(command)
        self._offset = self._motion - _Motion(early.q, early.qd, np.zeros(7))
        self._joined_s, self._even_s, self._stop = self._cursor_s, command.due_s, None

    def _next(self, now_s: float, due_s: float) -> _Motion:
        if self._stop is not None:
            began_s, profile = self._stop
            return _Motion(*map(np.array, profile.at_time(min(now_s - began_s, profile.duration))))
        if self._last is None:
            return self._motion
        return self._commanded(due_s) + _faded(self._offset, due_s - self._joined_s)

    def _commanded(self, due_s: float) -> _Motion:
        """The command of that time; on with the last velocity where there is none yet."""
        after = next((i for i, c in enumerate(self._commands) if c.due_s > due_s), None)
        if after == 0:
            return _Motion.at_rest(self._commands[0].q)
        if after is not None:
            return _between(self._commands[after - 1], self._commands[after], due_s)
        last = self._commands[-1]
        return _Motion(last.q + (due_s - last.due_s) * last.qd, last.qd, np.zeros(7))

    def _limited(self, wanted: _Motion, passed_s: float) -> _Motion:
        """The wanted motion as far as the joints get at their highest speed."""
        step, reach = wanted.q - self._motion.q, self._max_speed * passed_s
        if self._played_s is None or (np.abs(step) <= reach + 1e-12).all():
            return wanted
        step = np.clip(step, -reach, reach)
        speed = step / passed_s if passed_s > 0 else self._motion.qd
        return _Motion(self._motion.q + step, speed, np.zeros(7))

    def _brake(self, now_s: float) -> None:
        command = InputParameter(7)
        command.control_interface = ControlInterface.Velocity
        command.synchronization = Synchronization.Phase
        command.current_position = self._motion.q
        command.current_velocity = self._motion.qd
        command.current_acceleration = np.clip(
            self._motion.qdd, -self._max_acceleration, self._max_acceleration
        )
        command.max_acceleration = self._max_acceleration
        command.max_jerk = self._arm.joint_jerk_limits_rad_s3
        profile = Trajectory(7)
        result = Ruckig(7).calculate(command, profile)
        if result not in (Result.Working, Result.Finished):
            raise ArmLinkError(f"Ruckig finds no stop for the joints ({result})")
        self._commands.clear()
        self._last = None
        self._stop = (now_s if self._played_s is None else self._played_s, profile)


def _between(a: _Command, b: _Command, due_s: float) -> _Motion:
    """The cubic that meets both commands' positions and velocities."""
    h = b.due_s - a.due_s
    u = (due_s - a.due_s) / h
    c1, way = h * a.qd, b.q - a.q
    c2, c3 = 3 * way - h * (2 * a.qd + b.qd), h * (a.qd + b.qd) - 2 * way
    return _Motion(
        a.q + u * (c1 + u * (c2 + u * c3)),
        (c1 + u * (2 * c2 + 3 * u * c3)) / h,
        (2 * c2 + 6 * u * c3) / h**2,
    )


def _faded(offset: _Motion, passed_s: float) -> _Motion:
    """What is left of a difference: it goes to nothing like a critically damped spring."""
    t = max(0.0, passed_s)
    pull = offset.qd + _FADING * offset.q
    left = np.exp(-_FADING * t)
    q = (offset.q + pull * t) * left
    qd = pull * left - _FADING * q
    return _Motion(q, qd, -_FADING * (2 * qd + _FADING * q))
