"""Commanded joints as a smooth function of time, from commands that come as they come.

Commands are joined by cubics through their positions and velocities. They come by a clock whose
ticks the computer makes uneven, but each is a whole number of periods of one even motion after the
last: so they are played at even times. What does not go on with the motion so far, because ticks
or commands were left out, is passed over to like a spring that is let go.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from pushcell.geometry import Array

_KEPT = 8
# The share of a tick's unevenness that is believed: the rest is of the computer, not of the path.
_EVENING = 0.02
# Commands that differ by whole periods of a speed between theirs, up to this, are of one motion.
_SAME_RAD = 2e-4
# How fast a difference fades [1/s].
FADING = 15.0


@dataclass(frozen=True)
class JointMotion:
    """Positions [rad], velocities [rad/s] and accelerations [rad/s^2] of the joints, (n,) each."""

    q: Array
    qd: Array
    qdd: Array

    @classmethod
    def at_rest(cls, q: Array) -> JointMotion:
        """Standing still at positions (n,) [rad]."""
        return cls(np.array(q, dtype=float), np.zeros(len(q)), np.zeros(len(q)))

    def __add__(self, other: JointMotion) -> JointMotion:
        return JointMotion(self.q + other.q, self.qd + other.qd, self.qdd + other.qdd)

    def __sub__(self, other: JointMotion) -> JointMotion:
        return JointMotion(self.q - other.q, self.qd - other.qd, self.qdd - other.qdd)


@dataclass(frozen=True)
class JointCommand:
    """Positions (n,) [rad] and velocities (n,) [rad/s] at a time, and who wants them."""

    due_s: float
    q: Array
    qd: Array
    sender: str


class JointPath:
    """Begins with a motion at a time; commands come ``period_s`` apart."""

    def __init__(self, period_s: float, at_s: float, motion: JointMotion, to: JointCommand) -> None:
        self._period_s = period_s
        self._knots: deque[JointCommand] = deque(maxlen=_KEPT)
        self.newest: JointCommand
        self._even_s: float
        self._join(at_s, motion, to)

    def add(self, command: JointCommand, at_s: float, motion: JointMotion) -> None:
        """Go on to a command; ``motion`` is the one at ``at_s``, the latest time that was asked."""
        periods = max(1, round((command.due_s - self._even_s) / self._period_s))
        even_s = self._even_s + periods * self._period_s
        half_s = 0.5 * periods * self._period_s
        off = command.q - self.newest.q - half_s * (self.newest.qd + command.qd)
        between = half_s * np.abs(command.qd - self.newest.qd)
        same_motion = (np.abs(off) <= between + _SAME_RAD).all()
        ends_s = self._knots[-1].due_s
        if not same_motion or even_s <= ends_s or ends_s < at_s:
            self._join(at_s, motion, command)
            return
        self.newest, self._even_s = command, even_s + _EVENING * (command.due_s - even_s)
        self._knots.append(replace(command, due_s=self._even_s))

    def at(self, due_s: float) -> JointMotion:
        """The motion at a time."""
        return self._commanded(due_s) + _faded(self._difference, due_s - self._joined_s)

    def _join(self, at_s: float, motion: JointMotion, command: JointCommand) -> None:
        ahead_s = at_s - command.due_s
        knot = replace(command, due_s=at_s, q=command.q + ahead_s * command.qd)
        self._knots.clear()
        self._knots.append(knot)
        if ahead_s < 0:
            self._knots.append(command)
        self._difference = motion - JointMotion(knot.q, knot.qd, np.zeros_like(knot.q))
        self._joined_s, self._even_s, self.newest = at_s, command.due_s, command

    def _commanded(self, due_s: float) -> JointMotion:
        """Between the commands around; on with the last velocity where there is none yet."""
        after = next((i for i, knot in enumerate(self._knots) if knot.due_s > due_s), None)
        if after is None or after == 0:
            knot = self._knots[-1 if after is None else 0]
            return JointMotion(
                knot.q + (due_s - knot.due_s) * knot.qd, knot.qd, np.zeros_like(knot.q)
            )
        return _between(self._knots[after - 1], self._knots[after], due_s)


def _between(a: JointCommand, b: JointCommand, due_s: float) -> JointMotion:
    """The cubic that meets both commands' positions and velocities."""
    h = b.due_s - a.due_s
    u = (due_s - a.due_s) / h
    c1, way = h * a.qd, b.q - a.q
    c2, c3 = 3 * way - h * (2 * a.qd + b.qd), h * (a.qd + b.qd) - 2 * way
    return JointMotion(
        a.q + u * (c1 + u * (c2 + u * c3)),
        (c1 + u * (2 * c2 + 3 * u * c3)) / h,
        (2 * c2 + 6 * u * c3) / h**2,
    )


def _faded(difference: JointMotion, passed_s: float) -> JointMotion:
    """What is left of a difference, as of a critically damped spring."""
    pull = difference.qd + FADING * difference.q
    left = np.exp(-FADING * passed_s)
    q = (difference.q + pull * passed_s) * left
    qd = pull * left - FADING * q
    return JointMotion(q, qd, -FADING * (2 * qd + FADING * q))
