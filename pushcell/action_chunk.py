"""An action chunk: where the pusher's tip shall be, each action with its own time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from pushcell.geometry import Array

MOST_ACTIONS = 1000
"""No honest chunk has more; it takes time to look at them."""


@dataclass(frozen=True)
class ActionChunk:
    """Timed targets of the pusher's tip in the base frame.

    ``capture_s`` is the newest capture stamp that the chunk was computed from; all times are
    of the same clock [s].
    """

    capture_s: float
    times_s: Array  # (H,) strictly increasing
    positions: Array  # (H, 2) [m]

    def __post_init__(self) -> None:
        if self.times_s.ndim != 1 or self.positions.shape != (len(self.times_s), 2):
            raise ValueError(
                f"a chunk needs H times and (H, 2) positions, not shapes "
                f"{self.times_s.shape} and {self.positions.shape}"
            )
        if len(self.times_s) == 0:
            raise ValueError("a chunk needs at least one action")
        if not (np.isfinite(self.times_s).all() and np.isfinite(self.positions).all()):
            raise ValueError("a chunk must be finite")
        if not np.isfinite(self.capture_s):
            raise ValueError(f"a chunk's capture stamp must be finite, not {self.capture_s}")
        if (np.diff(self.times_s) <= 0).any():
            raise ValueError("a chunk's times must increase")

    @classmethod
    def at_rate(
        cls, capture_s: float, first_s: float, rate_hz: float, actions: ArrayLike
    ) -> ActionChunk:
        """Actions (H, 2) at ``first_s``, ``first_s + 1 / rate_hz``, …"""
        positions = np.asarray(actions, dtype=float)
        return cls(capture_s, first_s + np.arange(len(positions)) / rate_hz, positions)

    @property
    def end_s(self) -> float:
        """When the last action is due."""
        return float(self.times_s[-1])

    def earlier(self, by_s: float) -> ActionChunk:
        """The chunk as it is to be commanded to an arm that does everything so much later."""
        return replace(self, times_s=self.times_s - by_s)

    def starting_from(self, time_s: float, position: Array) -> ActionChunk:
        """The chunk with a way from a position now to its first action, if that is still ahead."""
        if time_s >= self.times_s[0]:
            return self
        times = np.concatenate([[time_s], self.times_s])
        return ActionChunk(self.capture_s, times, np.vstack([position, self.positions]))

    def faded_in(self, before: ActionChunk, from_s: float, to_s: float) -> ActionChunk:
        """The chunk that leaves the way of the one before at ``from_s`` and is itself from ``to_s``
        on."""
        share = np.clip((to_s - self.times_s) / (to_s - from_s), 0, 1)[:, None]
        earlier = np.array([before.sample(time_s)[0] for time_s in self.times_s])
        return replace(self, positions=share * earlier + (1 - share) * self.positions)

    def sample(self, time_s: float) -> tuple[Array, Array]:
        """Position (2,) [m] and velocity (2,) [m/s] at a time.

        Cubic Hermite interpolation through the actions, so that the velocity is continuous;
        before the first and after the last action the chunk stands still.
        """
        times, positions = self.times_s, self.positions
        if time_s <= times[0] or len(times) == 1:
            return positions[0], np.zeros(2)
        if time_s >= times[-1]:
            return positions[-1], np.zeros(2)
        i = int(np.searchsorted(times, time_s, side="right")) - 1
        step = times[i + 1] - times[i]
        u = (time_s - times[i]) / step
        p0, p1 = positions[i], positions[i + 1]
        m0, m1 = self._slope(i) * step, self._slope(i + 1) * step
        a, b = 2 * (p0 - p1) + m0 + m1, 3 * (p1 - p0) - 2 * m0 - m1
        return ((a * u + b) * u + m0) * u + p0, ((3 * a * u + 2 * b) * u + m0) / step

    def _slope(self, i: int) -> Array:
        """Velocity at an action: of its neighbours, and zero at the end, where the chunk rests."""
        if i == len(self.times_s) - 1:
            return np.zeros(2)
        before, after = max(i - 1, 0), i + 1
        span = self.times_s[after] - self.times_s[before]
        return (self.positions[after] - self.positions[before]) / span
