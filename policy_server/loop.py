"""Observation, scheduler and policy put together, without a clock or a thread of its own.

Whoever runs it decides where inference happens: a node in a thread, a simulator on the spot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policy_server.chunk import ActionChunk
from policy_server.chunking import Inquiry, Scheduler
from policy_server.observation import ObservationError, Observer
from policy_server.policy import Request
from pushcell.geometry import Array


@dataclass(frozen=True)
class Job:
    """A chunk that has been asked for."""

    request: Request
    inquiry: Inquiry
    capture_s: float
    begun_s: float


class PolicyLoop:
    """One chunk is under way at a time; results out of another trial are dropped."""

    def __init__(self, observer: Observer, scheduler: Scheduler, seed: int = 0) -> None:
        self.observer = observer
        self.scheduler = scheduler
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """A new trial begins; samples that have been seen stay."""
        self.scheduler.reset()
        self.job: Job | None = None
        self.blind = ""
        self._chunks = 0

    @property
    def plan(self) -> ActionChunk | None:
        """What shall be done, from now on."""
        return self.scheduler.plan

    def begin(self, now_s: float) -> Job | None:
        """A job, if one is due and everything that it needs is seen; ``blind`` says why not."""
        if self.job is not None or not self.scheduler.wants(now_s):
            return None
        try:
            seen = self.observer.assemble(now_s)
        except ObservationError as error:
            self.blind = str(error)
            return None
        self.blind = ""
        inquiry = self.scheduler.inquire(now_s, seen.capture_s)
        request = Request(
            seen.values,
            self._chunk_seed(),
            inquiry.known,
            min(inquiry.terms.prefix, len(inquiry.known)),
            inquiry.terms.steps,
            inquiry.terms.warm,
        )
        self.job = Job(request, inquiry, seen.capture_s, now_s)
        return self.job

    def finish(self, now_s: float, job: Job, actions: Array) -> bool:
        """The job's chunk (H, 2) has come; False when it is of no use any more."""
        if job is not self.job:
            return False
        self.job = None
        self.scheduler.accept(now_s, job.capture_s, actions, job.inquiry)
        return True

    def fail(self, job: Job) -> None:
        """The job has come to nothing."""
        if job is self.job:
            self.job = None

    def _chunk_seed(self) -> int:
        """Of the next chunk's noise."""
        self._chunks += 1
        return int(np.random.SeedSequence([self._seed, self._chunks]).generate_state(1)[0])
