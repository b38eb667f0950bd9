"""The replay itself: samples and ticks in the order of one virtual clock."""

from __future__ import annotations

import math
import time
from collections.abc import Collection

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.recording.quality_report import QualityReport
from pushcell.replay.motion_path import ReplayedMotion, Stop
from pushcell.replay.recording import Recording
from pushcell.replay.result import Digest, ReplayResult, Track
from pushcell.replay.samples import Sample, SampleReader
from pushcell.replay.virtual_clock import VirtualClock
from pushcell.timing import Distribution

# A node may hear a sample before the tick of simulated time in which it was captured.
_AHEAD_S = 0.02
_ENDING_S = 1.0
# Where nothing was recorded for longer than this, nobody waits for it.
_LONGEST_PAUSE_S = 60.0


class ReplayRun:
    """What every replay does; who commands the motion is up to the class below."""

    policy = ""
    follows_record = False

    def __init__(self, recording: Recording, wanted: Collection[str]) -> None:
        self.recording, self._wanted = recording, wanted
        self._reader = SampleReader(recording)
        self._period_s = recording.cell.motion.tick_s
        self._ticks = 0
        self.clock = VirtualClock()
        self.digest = Digest()
        self.motion = ReplayedMotion(recording.cell, self.digest.add_command)
        self.executed, self.recorded_targets, self.commanded = Track(), Track(), Track()
        self.chunks: list[ActionChunk] = []
        self.live: list[ActionChunk] = []
        self.stops: list[Stop] = []
        self.notes: list[str] = []

    def run(self, quality: QualityReport | None = None) -> ReplayResult:
        """From the first message to the last; ``quality`` goes into the outcome."""
        began_s = time.monotonic()
        start_s = self._go_through()
        self.notes += self._reader.clock_notes(self._wanted)
        if self.motion.unreachable:
            self.notes.append(
                f"{self.motion.unreachable} times the arm could not reach the recorded pusher"
            )
        return ReplayResult(
            recording=self.recording.name,
            policy=self.policy,
            start_s=start_s,
            duration_s=self.recording.duration_s,
            follows_record=self.follows_record,
            chunks=self.chunks,
            live=self.live,
            executed=self.executed,
            recorded_targets=self.recorded_targets,
            commanded=self.commanded,
            stops=self.stops,
            latency=self.latency(),
            messages=self._reader.counts,
            left_out=self.recording.left_out + self._reader.left_out,
            missing=self.recording.missing,
            quality=quality,
            digest=self.digest.text,
            seconds=time.monotonic() - began_s,
            notes=self.notes,
            nothing_done=self.nothing_done(),
        )

    # What the class below adds

    def command(self, now_s: float) -> None:
        """Tell the motion what is to be told at a tick."""

    def also_due_s(self) -> float:
        """When there is to be a tick besides the regular ones."""
        return math.inf

    def latency(self) -> dict[str, Distribution]:
        """Where the time goes."""
        return {}

    def nothing_done(self) -> str:
        """Why nothing came of it; empty where something did."""
        return "" if self._reader.counts["pusher"] else "no pose of the pusher could be read"

    def on_sample(self, sample: Sample) -> None:
        """The robot heard something."""
        if sample.what == "pusher":
            self.executed.add(sample.stamp_s, sample.value)
            self.motion.on_pusher(sample.value)
        elif sample.what == "target":
            self.recorded_targets.add(sample.stamp_s, sample.value)
        elif sample.what == "chunk":
            chunk: ActionChunk = sample.value
            if not self.live or not np.array_equal(chunk.positions, self.live[-1].positions):
                self.live.append(chunk)

    # Time

    def _go_through(self) -> float:
        """All samples and ticks; returns the time at which it began [s]."""
        start_s = due_s = math.nan
        ahead_s = _AHEAD_S if self.follows_record else 0.0
        for sample in self._reader.samples(self._wanted, self.follows_record):
            due_s = (sample.stamp_ns if self.follows_record else sample.arrival_ns) * 1e-9
            if math.isnan(start_s):
                start_s = due_s
            self._skip_pause(due_s - ahead_s, start_s)
            self._tick_until(due_s - ahead_s, start_s)
            self.clock.now_s = max(self.clock.now_s, due_s - ahead_s)
            self.on_sample(sample)
        if not math.isnan(start_s):
            self._tick_until(min(self.recording.bag.end_ns * 1e-9, due_s + _ENDING_S), start_s)
        return start_s

    def _skip_pause(self, end_s: float, start_s: float) -> None:
        """Where nothing was recorded for long: a while at its beginning, then on to its end."""
        now_s = start_s + self._ticks * self._period_s
        if end_s - now_s < _LONGEST_PAUSE_S:
            return
        self._tick_until(now_s + _ENDING_S, start_s)
        self._ticks = math.ceil((end_s - start_s) / self._period_s)
        self.notes.append(f"{end_s - now_s:.0f} s in which nothing was recorded are skipped")

    def _tick_until(self, end_s: float, start_s: float) -> None:
        """Every tick that is due before a time."""
        while True:
            regular_s = start_s + self._ticks * self._period_s
            now_s = min(regular_s, self.also_due_s())
            if not now_s < end_s:
                return
            self._ticks += now_s == regular_s
            self._tick(now_s, now_s == regular_s)

    def _tick(self, now_s: float, regular: bool) -> None:
        self.clock.now_s = now_s
        self.command(now_s)
        if not regular:
            return
        self.motion.tick(now_s)
        tip = self.motion.tip
        if tip is not None:
            self.commanded.add(now_s, tip)
        for stop in self.motion.stops:
            self.note_stop(stop)
        self.motion.stops.clear()

    def note_stop(self, stop: Stop) -> None:
        """One more."""
        self.stops.append(stop)
        self.digest.add_stop(stop)
