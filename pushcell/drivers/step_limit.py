"""The last word on what is sent to an arm: no step beyond the joints' limits."""

from __future__ import annotations

import numpy as np

from pushcell.geometry import Array

_SAME_RAD = 1e-12


class StepLimit:
    """Follows a motion (n,) [rad] step by step, within limits (n,) [rad/s] and [rad/s^2].

    A motion that keeps the limits is followed exactly. Commands that come unevenly make one that
    does not, for a few steps: those are made up for afterwards.
    """

    def __init__(self, q: Array, max_speed: Array, max_acceleration: Array) -> None:
        self._max_speed, self._max_acceleration = max_speed, max_acceleration
        self._wanted = self.q = np.array(q, dtype=float)
        self.halt()

    @property
    def resting(self) -> bool:
        """Whether the last step led nowhere."""
        return not self._speed.any()

    def halt(self) -> None:
        """The arm stood still meanwhile."""
        self._speed, self._passed_s = np.zeros_like(self.q), 0.0

    def follow(self, wanted: Array, passed_s: float) -> Array:
        """Where to send the joints (n,), a while after the step before."""
        if passed_s > 0:
            behind = self._wanted - self.q
            # Not faster than it can be braked again.
            catching_up = np.minimum(
                np.abs(behind) / passed_s, np.sqrt(self._max_acceleration * np.abs(behind))
            )
            speed = (wanted - self._wanted) / passed_s + np.sign(behind) * catching_up
            change = 0.5 * (passed_s + self._passed_s) * self._max_acceleration
            speed = np.clip(speed, self._speed - change, self._speed + change)
            speed = np.clip(speed, -self._max_speed, self._max_speed)
            q = self.q + passed_s * speed
            q = np.where(np.abs(q - wanted) < _SAME_RAD, wanted, q)
            self._speed, self._passed_s = (q - self.q) / passed_s, passed_s
            self.q = q
        self._wanted = wanted
        return self.q
