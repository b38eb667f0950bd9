"""When the pusher is where: polylines at constant speed with even ramps, resting at sharp turns."""

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


def ramped_duration(length_m: Array | float, speed_m_s: float, acceleration_m_s2: float) -> Array:
    """Duration [s] of a move from rest to rest; 0 for no length."""
    length = np.asarray(length_m, dtype=float)
    cruise = length / speed_m_s + speed_m_s / acceleration_m_s2
    peak = 2 * np.sqrt(length / acceleration_m_s2)
    return np.where(length >= speed_m_s**2 / acceleration_m_s2, cruise, peak)


def ramped_distance(
    times_s: Array, length_m: float, speed_m_s: float, acceleration_m_s2: float
) -> Array:
    """Distance (N,) covered at times since the start of such a move."""
    duration = float(ramped_duration(length_m, speed_m_s, acceleration_m_s2))
    t = np.clip(times_s, 0, duration)
    first_half = np.minimum(t, duration - t)
    ramp = min(speed_m_s / acceleration_m_s2, duration / 2)
    covered = np.where(
        first_half < ramp,
        acceleration_m_s2 * first_half**2 / 2,
        acceleration_m_s2 * ramp * (first_half - ramp / 2),
    )
    return np.where(t <= duration / 2, covered, length_m - covered)


def timed_path(path: Array, speed_m_s: float, acceleration_m_s2: float) -> tuple[Array, Array]:
    """Times (N,) from 0 and positions (N, 2) along a polyline (K, 2); one sample if no length."""
    times, positions = [np.zeros(1)], [path[:1]]
    for piece in _split_at_sharp_turns(path):
        along = np.append(0, np.cumsum(np.linalg.norm(np.diff(piece, axis=0), axis=1)))
        since = sample_times(float(ramped_duration(along[-1], speed_m_s, acceleration_m_s2)))
        distance = ramped_distance(since, along[-1], speed_m_s, acceleration_m_s2)
        times.append(times[-1][-1] + since)
        positions.append(
            np.column_stack([np.interp(distance, along, column) for column in piece.T])
        )
    return np.concatenate(times), np.concatenate(positions)


def sample_times(duration_s: float) -> Array:
    """Times (N,) in (0, duration], evenly spaced."""
    count = max(1, math.ceil(duration_s / _SAMPLE_S))
    return duration_s * np.arange(1, count + 1) / count


def _split_at_sharp_turns(path: Array) -> list[Array]:
    """Pieces of the polyline that can be driven without stopping; none if it has no length."""
    moved = np.linalg.norm(np.diff(path, axis=0), axis=1) > 1e-9
    path = path[np.append(True, moved)]
    headings = np.arctan2(*np.diff(path, axis=0).T[::-1])
    turns = np.abs((np.diff(headings) + math.pi) % (2 * math.pi) - math.pi)
    stops = [0, *(np.flatnonzero(turns > _SHARP_TURN_RAD) + 1), len(path) - 1]
    return [path[a : b + 1] for a, b in pairwise(stops) if b > a]
