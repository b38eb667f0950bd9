"""What a replay came to: everything that is compared, drawn and printed of it."""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.geometry import Array
from pushcell.recording.quality_report import QualityReport
from pushcell.replay.motion_path import Stop
from pushcell.timing import Distribution

_SAME_TIME_S = 1e-3
# A real clock is read anew now and then; chunks are farther apart.
_SAME_CAPTURE_S = 0.02


class Digest:
    """SHA-256 over all outputs in their order; of the same inputs the same on the same machine."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add_chunk(self, chunk: ActionChunk) -> None:
        """A chunk that is new."""
        self._hash.update(b"chunk" + struct.pack("<d", chunk.capture_s))
        self._hash.update(chunk.times_s.astype("<f8").tobytes())
        self._hash.update(chunk.positions.astype("<f8").tobytes())

    def add_command(self, joints: Array) -> None:
        """Joint positions (n,) to the arm."""
        self._hash.update(b"joints" + joints.astype("<f8").tobytes())

    def add_stop(self, stop: Stop) -> None:
        """A stop."""
        self._hash.update(b"stop" + struct.pack("<d", stop.time_s) + stop.reason.encode())

    @property
    def text(self) -> str:
        """So far."""
        return self._hash.hexdigest()


@dataclass
class Track:
    """A way through the plane, as it comes; 24 bytes a point, as an hour has a million of them."""

    _times: array[float] = field(default_factory=lambda: array("d"))
    _coordinates: array[float] = field(default_factory=lambda: array("d"))

    def add(self, time_s: float, point: Array) -> None:
        """At (2,) or more [m]; what is not finite, or not later, is no part of the way."""
        if np.isfinite(point[:2]).all() and (not self._times or time_s > self._times[-1]):
            self._times.append(time_s)
            self._coordinates.extend((point[0], point[1]))

    @property
    def times_s(self) -> Array:
        """(N,) of the points."""
        return np.array(self._times)

    @property
    def points(self) -> Array:
        """(N, 2) [m]."""
        return np.array(self._coordinates).reshape(-1, 2)

    def at(self, times_s: Array) -> Array:
        """(M, 2) at some times; NaN before the first and after the last point."""
        if not self._times:
            return np.full((len(times_s), 2), np.nan)
        return np.column_stack(
            [np.interp(times_s, self.times_s, p, np.nan, np.nan) for p in self.points.T]
        )


@dataclass(frozen=True)
class LiveComparison:
    """Chunks of the replay against those that were published when it was recorded."""

    published: int
    matched: int
    identical: int
    max_m: float
    p95_m: float
    max_time_s: float

    @classmethod
    def of(cls, replayed: list[ActionChunk], live: list[ActionChunk]) -> LiveComparison | None:
        """Chunks of the same capture; None where there is nothing to compare with."""
        if not live or not replayed:
            return None
        captures = np.array([chunk.capture_s for chunk in replayed])
        off, times, identical = [], [], 0
        for chunk in live:
            k = int(np.abs(captures - chunk.capture_s).argmin())
            mine = replayed[k]
            same_time = abs(mine.capture_s - chunk.capture_s) < _SAME_CAPTURE_S
            if not same_time or len(mine.times_s) != len(chunk.times_s):
                continue
            off.append(float(np.abs(mine.positions - chunk.positions).max()))
            times.append(float(np.abs(mine.times_s - chunk.times_s).max()))
            identical += np.array_equal(mine.positions, chunk.positions)
        worst = np.percentile(off, 95) if off else 0.0
        return cls(
            len(live),
            len(off),
            identical,
            max(off, default=0.0),
            float(worst),
            max(times, default=0.0),
        )


@dataclass
class ReplayResult:
    """Of one recording and one policy, or of what was recorded itself."""

    recording: str
    policy: str
    start_s: float
    duration_s: float
    follows_record: bool
    chunks: list[ActionChunk]
    live: list[ActionChunk]
    executed: Track
    recorded_targets: Track  # recorded targets of the motion path
    commanded: Track  # by the replay
    stops: list[Stop]
    latency: dict[str, Distribution]
    messages: Counter[str]
    left_out: Counter[str]
    missing: dict[str, str]
    quality: QualityReport | None
    digest: str
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    nothing_done: str = ""
    """Why nothing came of it; empty where something did."""

    @property
    def chunk_times_s(self) -> Array:
        """(N,) captures of the chunks."""
        return np.array([chunk.capture_s for chunk in self.chunks])

    @property
    def title(self) -> str:
        """Who commanded."""
        return self.policy or "as recorded"

    @property
    def losses(self) -> list[str]:
        """What was left out, with counts, the worst first."""
        return [f"{count} left out: {why}" for why, count in self.left_out.most_common()]

    def figures(self) -> dict[str, Any]:
        """As JSON has them; errors are means over chunks [m], one a step of the horizon."""
        live = LiveComparison.of(self.chunks, self.live) if self.policy else None
        return {
            "recording": self.recording,
            "policy": self.policy or None,
            "digest": self.digest,
            "duration_s": self.duration_s,
            "seconds": self.seconds,
            "guided": self.follows_record,
            "messages": dict(sorted(self.messages.items())),
            "left_out": dict(sorted(self.left_out.items())),
            "missing": self.missing,
            "chunks": len(self.chunks),
            "chunk_ends_m": [[*c.positions[0], *c.positions[-1]] for c in self.chunks],
            "error_m": _rounded(self.errors(self.executed)),
            "action_error_m": _rounded(self.errors(self.recorded_targets)),
            "consistency_m": _percentiles(self.inconsistencies()),
            "motion_deviation_m": _percentiles(self.deviations()),
            "stops": [
                {
                    "time_s": round(stop.time_s - self.start_s, 3),
                    "source": stop.source,
                    "reason": stop.reason,
                    "ended_turn": stop.ended_turn,
                }
                for stop in self.stops
            ],
            "latency_ms": {
                stage: {key: 1e3 * getattr(d, key) for key in ("p50", "p95", "p99", "max")}
                for stage, d in self.latency.items()
                if d.count
            },
            "live": None if live is None else vars(live),
            "quality": None if self.quality is None else self.quality.model_dump(mode="json"),
            "notes": self.notes,
            "nothing_done": self.nothing_done or None,
        }

    def errors(self, way: Track) -> Array:
        """(H,) mean distance [m] of each step of the chunks from a way; NaN without one."""
        if not self.chunks:
            return np.empty(0)
        horizon = min(len(chunk.times_s) for chunk in self.chunks)
        off = np.array(
            [
                np.linalg.norm(c.positions[:horizon] - way.at(c.times_s[:horizon]), axis=1)
                for c in self.chunks
            ]
        )
        counts = np.isfinite(off).sum(axis=0)
        return np.where(counts > 0, np.nansum(off, axis=0) / np.maximum(counts, 1), np.nan)

    def inconsistencies(self) -> Array:
        """How far each chunk is from what the one before said of the same times, on average [m]."""
        found = []
        for before, after in zip(self.chunks, self.chunks[1:], strict=False):
            shared = after.times_s[after.times_s <= before.end_s + _SAME_TIME_S]
            if len(shared):
                said = np.array([before.sample(t)[0] for t in shared])
                found.append(np.linalg.norm(after.positions[: len(shared)] - said, axis=1).mean())
        return np.array(found)

    def deviations(self) -> Array:
        """How far the motion that the replay commands is from the recorded pusher [m]."""
        if not len(self.commanded.times_s):
            return np.empty(0)
        off = self.commanded.points - self.executed.at(self.commanded.times_s)
        distances = np.linalg.norm(off, axis=1)
        return distances[np.isfinite(distances)]


def _percentiles(values: Array) -> dict[str, float] | None:
    if not len(values):
        return None
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": float(p50), "p95": float(p95), "max": float(values.max())}


def _rounded(values: Array) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
