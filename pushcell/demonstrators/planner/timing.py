"""When the pusher is where: polylines at constant speed, smoothed in time.

Averaging a path over one window bounds its acceleration, averaging again over a second one its
jerk: the starts and stops become smooth ramps and the corners are rounded, by a few millimetres.
At sharp turns, which would be cut too much, the pusher rests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pushcell.geometry import Array

_SAMPLE_S = 0.02
_SHARP_TURN_RAD = math.radians(60)


@dataclass(frozen=True)
class PusherTrajectory:
    """Positions (N, 2) [m] at strictly increasing times (N,) [s], straight in between."""

    times_s: Array
    positions: Array

    def __post_init__(self) -> None:
        if not (np.diff(self.times_s) > 0).all():
            raise ValueError("the times of a trajectory must increase")

    def at(self, times_s: float | Array) -> Array:
        """Positions (..., 2); the first before it begins, the last after it has ended."""
        x, y = (np.interp(times_s, self.times_s, column) for column in self.positions.T)
        return np.stack([x, y], axis=-1)

    def followed_by(self, other: PusherTrajectory, start_s: float) -> PusherTrajectory:
        """This one until ``start_s`` and then the other, whose time 0 is ``start_s``."""
        earlier = self.times_s < start_s
        return PusherTrajectory(
            np.concatenate([self.times_s[earlier], start_s + other.times_s]),
            np.concatenate([self.positions[earlier], other.positions]),
        )


@dataclass(frozen=True)
class Pace:
    """How fast a path is driven."""

    speed_m_s: float
    acceleration_m_s2: float
    jerk_m_s3: float

    @property
    def ramps_s(self) -> float:
        """What starting from rest and stopping add to the duration."""
        return _SAMPLE_S * (sum(self._windows()) - 2)

    def duration(self, length_m: Array | float) -> Array:
        """Seconds for a way without sharp turns, from rest to rest; 0 for no length."""
        length = np.asarray(length_m, dtype=float)
        return np.where(length > 0, length / self.speed_m_s + self.ramps_s, 0.0)

    def drive(self, path: Array) -> tuple[Array, Array]:
        """Times (N,) > 0 and positions (N, D) along a polyline (K, D); none if no length."""
        pieces = [self._smooth(piece) for piece in _split_at_sharp_turns(path)]
        positions = np.concatenate([np.zeros((0, path.shape[1])), *pieces])
        times: Array = _SAMPLE_S * np.arange(1, len(positions) + 1, dtype=float)
        return times, positions

    def _windows(self) -> tuple[int, int]:
        """Lengths of the two averages, in samples."""
        ramp_s = self.speed_m_s / self.acceleration_m_s2
        # Short ways have the end of one ramp and the onset of the next at once.
        onset_s = 2 * self.acceleration_m_s2 / self.jerk_m_s3
        return max(2, round(ramp_s / _SAMPLE_S)), max(2, round(onset_s / _SAMPLE_S))

    def _smooth(self, path: Array) -> Array:
        """(N, D) samples of a polyline (K, D) after its start, driven from rest to rest."""
        along = np.append(0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
        count = max(1, math.ceil(along[-1] / (self.speed_m_s * _SAMPLE_S)))
        even = np.linspace(0, along[-1], count + 1)
        columns = []
        for column in path.T:
            driven = np.interp(even, along, column)
            for window in self._windows():
                padded = np.pad(driven, window - 1, mode="edge")
                driven = np.convolve(padded, np.full(window, 1 / window), mode="valid")
            columns.append(driven[1:])
        return np.column_stack(columns)


def _split_at_sharp_turns(path: Array) -> list[Array]:
    """Pieces of the polyline that can be driven without stopping; none if it has no length."""
    path = path[np.append(True, np.linalg.norm(np.diff(path, axis=0), axis=1) > 1e-9)]
    moves = np.diff(path, axis=0)
    moves /= np.linalg.norm(moves, axis=1, keepdims=True)
    turns = np.arccos(np.clip((moves[1:] * moves[:-1]).sum(axis=1), -1, 1))
    stops = [0, *(np.flatnonzero(turns > _SHARP_TURN_RAD) + 1), len(path) - 1]
    return [path[a : b + 1] for a, b in pairwise(stops) if b > a]
