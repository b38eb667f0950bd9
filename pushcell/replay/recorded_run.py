"""What was recorded, through the guard once more: chunks, a person's targets, or the mere way."""

from __future__ import annotations

from pushcell.motion.guard import Source
from pushcell.replay.recording import Recording
from pushcell.replay.run import ReplayRun
from pushcell.replay.samples import Sample, SampleReader
from pushcell.replay.trajectory import SENT_RATE_HZ, Trajectory

_COMMANDS = ("chunk", "teleop")


class RecordedRun(ReplayRun):
    """Without a policy; the pusher's own way is driven where no command was recorded."""

    def __init__(self, recording: Recording) -> None:
        recording.require({"pusher"})
        super().__init__(recording, {"pusher", "target", *_COMMANDS})
        recorded_targets = next(SampleReader(recording).samples(_COMMANDS), None)
        self._trajectory = Trajectory.of(recording) if recorded_targets is None else None
        self._sent_s = float("-inf")

    def on_sample(self, sample: Sample) -> None:
        """Commands go to the guard as they come."""
        known = len(self.live)
        super().on_sample(sample)
        if sample.what == "chunk":
            self.motion.on_chunk(self.clock.now_s, sample.value)
            if len(self.live) > known:
                self.chunks.append(sample.value)
                self.digest.add_chunk(sample.value)
        elif sample.what == "teleop":
            self.motion.on_teleop(self.clock.now_s, sample.stamp_s, sample.value[:2])

    def command(self, now_s: float) -> None:
        """The way ahead, where there is nothing else."""
        if self._trajectory is None or now_s - self._sent_s < 1 / SENT_RATE_HZ:
            return
        if now_s >= self._trajectory.end_s:
            self.motion.rest()
        chunk = self._trajectory.chunk(now_s)
        if chunk is not None:
            self._sent_s = now_s
            self.motion.on_chunk(now_s, chunk, Source.REPLAY)
