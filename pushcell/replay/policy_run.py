"""A policy over a recording: through the robot's driver, and its chunks through the guard."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from policy_server.bundle_format import Manifest
from policy_server.chunking import Scheduler, scheduler
from policy_server.delay import InjectedDelay
from policy_server.driver import PolicyDriver
from policy_server.latency import Stage
from policy_server.policy import ChunkRequest, Policy
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell.motion.filter import PREVIEW_S
from pushcell.replay.motion_path import Stop
from pushcell.replay.recorded_schedule import ChunkRecord, RecordedSchedule, RecordedScheduler
from pushcell.replay.recording import Recording
from pushcell.replay.run import ReplayRun
from pushcell.replay.samples import Sample, SampleReader
from pushcell.replay.virtual_clock import VirtualThread
from pushcell.timing import Distribution

_ROUNDING_S = 1e-6  # of the times of ticks
_CHUNKING = "realtime"
_DELAYS, _DROPS = 1, 2  # beside the seed, for generators of their own
_DROPPED = "dropped because --drop asks for it"


@dataclass(frozen=True)
class ReplayOptions:
    """None is as it was recorded, where that is known."""

    chunking: str | None = None
    delay: InjectedDelay | None = None
    drop: float = 0.0
    seed: int | None = None


class PolicyRun(ReplayRun):
    """A recording with notes of this very policy is followed note by note."""

    def __init__(
        self, recording: Recording, policy: Policy, name: str, options: ReplayOptions
    ) -> None:
        """Raises EpisodeError for a recording that lacks what the policy sees."""
        spec = policy.manifest.observation
        self._inputs: set[str] = {key for key in spec.keys if key != "goal"}
        self._inputs |= {f"camera {camera.name}" for camera in spec.cameras}
        recording.require({"pusher", *self._inputs})
        super().__init__(recording, {"pusher", "target", "chunk", "request", *self._inputs})
        self.policy = name
        first = _first_note(recording) if options == ReplayOptions() else None
        self.follows_record = first is not None and first.bundle == policy.manifest.sha256
        seed, chunking = options.seed or 0, options.chunking or _CHUNKING
        if first is not None and self.follows_record:
            seed, chunking = first.seed, first.chunking
            if first.number != 1:
                self.notes.append(
                    f"it begins with chunk {first.number} of its rollout: what came before is "
                    "not known"
                )
        delay = options.delay or InjectedDelay()
        self._delays = delay.draw(np.random.default_rng([seed, _DELAYS]))
        self._drop, self._rng = options.drop, np.random.default_rng([seed, _DROPS])
        self._schedule = RecordedSchedule()
        self._held: dict[str, list[Sample]] = {}
        self._newest_s: dict[str, float] = {}
        self._under_way: ChunkRecord | None = None
        self._inferred = False
        self._active = not self.follows_record
        self._problem = "nothing was seen yet"
        self._problems = RepeatedProblems()
        self._driver = PolicyDriver(
            _TimedPolicy(policy, self),
            recording.cell,
            self.clock,
            chunking,
            seed,
            PREVIEW_S + recording.cell.motion.tick_s,
            VirtualThread(self.clock),
            self._scheduler,
        )
        if self._active:
            self._driver.activate()

    def latency(self) -> dict[str, Distribution]:
        """Stage by stage; inference takes what was injected, or what was noted."""
        return {stage.value: self._driver.budget.distribution(stage) for stage in Stage}

    def nothing_done(self) -> str:
        """Why the policy never inferred."""
        if self.chunks:
            return ""
        return f"the policy never inferred: {self._problems.worst or 'nothing was seen'}"

    def also_due_s(self) -> float:
        """When a chunk was begun, or has come."""
        if not self.follows_record:
            return math.inf
        times = [note.begun_s for note in [self._schedule.next] if note is not None]
        times += [note.ended_s for note in [self._under_way] if note is not None]
        return min(times, default=math.inf)

    def on_sample(self, sample: Sample) -> None:
        """Pass on what the policy sees, as soon as it may."""
        super().on_sample(sample)
        if sample.what == "request":
            self._schedule.add(sample.value)
        elif sample.what not in self._inputs:
            return
        elif self._drop and self._rng.random() < self._drop:
            self._reader.left_out[f"{sample.what}: {_DROPPED}"] += 1
        elif self.follows_record and not self._schedule.may_see(sample.stamp_s):
            self._held.setdefault(sample.what, []).append(sample)
        else:
            self._see(sample)

    def command(self, now_s: float) -> None:
        """Let the driver work, and the motion have its plan."""
        self._driver.on_motion(now_s)
        note = self._record_at(now_s)
        if note is not None:
            self._make_ready(note)
        chunk = self._driver.tick(now_s)
        if note is not None:
            self._has_begun(note)
        for record in self._driver.take_records():
            if self._under_way is not None and record.number == self._under_way.number:
                self._under_way = None
        if chunk is not None:
            if not self.chunks or chunk is not self.chunks[-1]:
                self.chunks.append(chunk)
                self.digest.add_chunk(chunk)
            self.motion.on_chunk(now_s, chunk)
        problem = self._driver.problem
        self._problems.add(problem)
        if problem and not self._problem:
            self.note_stop(Stop(now_s, "policy", problem, ended_turn=False))
        self._problem = problem

    def begin_inference(self) -> None:
        """A chunk is being made: virtual time passes; raises PushcellError where it failed."""
        self._inferred = True
        note = self._under_way
        if note is None:
            self.clock.inference_ends_s = self.clock.now_s + next(self._delays) - _ROUNDING_S
            return
        self.clock.inference_ends_s = note.ended_s
        if note.outcome == "failed":
            raise PushcellError("the policy failed when this was recorded")

    # Following notes

    def _record_at(self, now_s: float) -> ChunkRecord | None:
        """The note of a chunk that was begun at this time."""
        note = self._schedule.next if self.follows_record else None
        return note if note is not None and note.begun_s <= now_s else None

    def _make_ready(self, note: ChunkRecord) -> None:
        """Let the policy see what it saw then, and ask."""
        if note.number == 1 or not self._active:
            self._driver.activate(fresh=False)
            self._active = True
        self._driver.after(note.number - 1)
        for what in self._inputs:
            held = self._held.get(what, [])
            while held and self._newest_s.get(what, -math.inf) < note.capture_s:
                self._see(held.pop(0))
        self._under_way = note
        self._asks.due = True

    def _has_begun(self, note: ChunkRecord) -> None:
        """See that it was, and let the policy see what came later."""
        self._asks.due = False
        self._schedule.begun()
        if not self._inferred:
            self._under_way = None
            why = self._driver.problem or "the samples of its time are not the same"
            self._reader.left_out[f"chunks that could not be begun again: {why}"] += 1
        self._inferred = False
        for held in self._held.values():
            while held and self._schedule.may_see(held[0].stamp_s):
                self._see(held.pop(0))

    def _see(self, sample: Sample) -> None:
        self._newest_s[sample.what] = sample.stamp_s
        kind, _, camera = sample.what.partition(" ")
        if kind == "camera":
            self._driver.on_image(camera, sample.stamp_s, sample.value)
        else:
            self._driver.on_pose(kind, sample.stamp_s, sample.value)

    def _scheduler(self, name: str, manifest: Manifest, lookahead_s: float) -> Scheduler:
        inner = scheduler(name, manifest, lookahead_s)
        if not self.follows_record:
            return inner
        self._asks = RecordedScheduler(inner)
        return self._asks


class RepeatedProblems:
    """Problems as they are said tick by tick; two that differ in their figures alone are one."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._last: dict[str, str] = {}

    def add(self, problem: str) -> None:
        """What is said at a tick; nothing where it is empty."""
        if problem:
            kind = re.sub(r"[\d.]+", "", problem)
            self._counts[kind] += 1
            self._last[kind] = problem

    @property
    def worst(self) -> str:
        """The one said most often, as it was said last; empty for none."""
        return next((self._last[kind] for kind, _ in self._counts.most_common(1)), "")


class _TimedPolicy(Policy):
    """A policy whose answers take virtual time, and fail where they failed."""

    def __init__(self, policy: Policy, run: PolicyRun) -> None:
        self._policy, self._run = policy, run

    @property
    def manifest(self) -> Manifest:
        """Of the policy."""
        return self._policy.manifest

    def infer(self, request: ChunkRequest) -> Array:
        """(H, 2) as the policy itself has it."""
        self._run.begin_inference()
        return self._policy.infer(request)


def _first_note(recording: Recording) -> ChunkRecord | None:
    notes = SampleReader(recording).samples({"request"})
    return next((sample.value for sample in notes), None)
