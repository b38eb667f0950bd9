"""The way that a recorded pusher took, as commands to drive it again."""

from __future__ import annotations

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.errors import EpisodeError
from pushcell.geometry import Array
from pushcell.replay.recording import Recording
from pushcell.replay.result import Track
from pushcell.replay.samples import SampleReader

SENT_RATE_HZ = 50.0
_AHEAD_S, _STEP_S = 1.0, 0.05
_APPROACH_M_S, _SETTLING_S = 0.05, 0.5


class Trajectory:
    """A pusher's way over time; its times are the recording's, shifted by ``shift_s``."""

    def __init__(self, way: Track, shift_s: float = 0.0) -> None:
        self.way = way
        self._times, self._points = way.times_s + shift_s, way.points
        self.start_s, self.end_s = float(self._times[0]), float(self._times[-1])

    @classmethod
    def of(cls, recording: Recording) -> Trajectory:
        """Reads the way; raises EpisodeError where there is none."""
        recording.require({"pusher"})
        way = Track()
        for sample in SampleReader(recording).samples({"pusher"}):
            way.add(sample.stamp_s, sample.value)
        if len(way.times_s) < 2:
            raise EpisodeError(f"{recording.path}: the pusher's way has no two points")
        return cls(way)

    def starting_at(self, time_s: float) -> Trajectory:
        """The same way, begun at another time."""
        return Trajectory(self.way, time_s - float(self.way.times_s[0]))

    def reached_from(self, tip: Array) -> Trajectory:
        """The way with a slow straight one before it, from where the pusher is (2,)."""
        times, points = self.way.times_s, self.way.points
        needed_s = float(np.linalg.norm(points[0] - tip)) / _APPROACH_M_S
        approach = Track()
        approach.add(times[0] - needed_s - 2 * _SETTLING_S, tip)
        approach.add(times[0] - _SETTLING_S, points[0])
        for time_s, point in zip(times, points, strict=True):
            approach.add(time_s, point)
        return Trajectory(approach)

    def position(self, time_s: float) -> Array:
        """(2,) where the pusher was; at its ends before and after."""
        return self.positions(np.array([time_s]))[0]

    def chunk(self, now_s: float) -> ActionChunk | None:
        """What lies ahead of a time, as `motion.sources.ChunkSource` takes it; None at the end."""
        if not self.start_s <= now_s < self.end_s:
            return None
        times = now_s + np.arange(0.0, _AHEAD_S, _STEP_S)
        return ActionChunk(now_s, times, self.positions(times))

    def positions(self, times_s: Array) -> Array:
        """(N, 2) where the pusher was."""
        return np.column_stack([np.interp(times_s, self._times, p) for p in self._points.T])
