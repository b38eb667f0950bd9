"""Observation, scheduler and policy put together, without a clock or a thread of its own.

Whoever runs it decides where inference happens: a node in a thread, a simulator on the spot.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from policy_server.chunking import ChunkConditions, Scheduler
from policy_server.observation import ObservationError, Observer
from policy_server.policy import ChunkRequest
from pushcell.action_chunk import ActionChunk
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array
from pushcell.timing import is_older

# Of the guard's gate: far enough inside that the plan does not get there while a chunk is made.
_OFF_PLAN_SHARE = 0.7


def max_off_plan_m(cell: CellConfig) -> float:
    """How far the pusher may be from its plan [m]: the guard must take the plan at any time."""
    return _OFF_PLAN_SHARE * cell.motion.first_target_max_jump_m


@dataclass(frozen=True)
class PendingChunk:
    """A chunk that has been asked for, the ``number``th since the reset."""

    number: int
    request: ChunkRequest
    conditions: ChunkConditions
    capture_s: float
    begun_s: float


class PolicyLoop:
    """One chunk is under way at a time; what comes out of another trial, or too late, is dropped.

    A chunk is asked for as soon as its observation has come, not when that has aged: ``begin`` is
    to be called often.
    """

    def __init__(
        self,
        observer: Observer,
        scheduler: Scheduler,
        seed: int = 0,
        max_chunk_age_s: float = math.inf,
        max_off_plan_m: float = math.inf,
    ) -> None:
        """``max_chunk_age_s``: the oldest capture of which a chunk is still taken [s];
        ``max_off_plan_m``: how far the pusher may be from where the plan has it, before that begins
        again where the pusher is [m]."""
        self.observer = observer
        self.scheduler = scheduler
        self._seed = seed
        self._max_chunk_age_s = max_chunk_age_s
        self._max_off_plan_m = max_off_plan_m
        self.reset()

    def reset(self) -> None:
        """A new trial begins; samples that have been seen stay."""
        self.scheduler.reset()
        self.pending: PendingChunk | None = None
        self.problem = ""
        self._moment_s = -math.inf
        self.chunks = 0  # begun in this trial; the noise goes by it
        self.dropped = 0

    def await_next(self, now_s: float) -> None:
        """Take nothing for an observation that has come before now: it has aged."""
        with suppress(ObservationError):
            self._moment_s = self.observer.moment(now_s)

    @property
    def plan(self) -> ActionChunk | None:
        """What shall be done, from now on."""
        return self.scheduler.plan

    def wants(self, now_s: float) -> bool:
        """Whether a new observation would be used now."""
        return self.pending is None and self.scheduler.wants(now_s)

    def begin(self, now_s: float) -> PendingChunk | None:
        """A chunk to infer, if one is due and its observation is new; ``problem`` says why not."""
        try:
            moment_s, before_s = self.observer.moment(now_s), self._moment_s
            self._moment_s = moment_s
            self.problem = ""
            if self.pending is None and self._off_plan_m() > self._max_off_plan_m:
                self.scheduler.restart()
            if moment_s == before_s or not self.wants(now_s):
                return None
            seen = self.observer.assemble(now_s)
        except ObservationError as error:
            self.problem = str(error)
            return None
        conditions = self.scheduler.conditions_for(now_s, seen.capture_s)
        request = ChunkRequest(
            seen.values,
            self._chunk_seed(),
            conditions.known,
            min(conditions.settings.committed, len(conditions.known)),
            conditions.settings.denoising_steps,
            conditions.settings.warm_start_fraction,
        )
        self.pending = PendingChunk(self.chunks, request, conditions, seen.capture_s, now_s)
        return self.pending

    def finish(self, now_s: float, pending: PendingChunk, actions: Array) -> bool:
        """The pending chunk (H, 2) has come; False when it is of no use any more."""
        if pending is not self.pending:
            return False
        self.pending = None
        age_s = now_s - pending.capture_s
        self.scheduler.note_delay(age_s)
        if is_older(now_s, pending.capture_s, self._max_chunk_age_s):
            self.dropped += 1
            return False
        self.scheduler.accept(now_s, pending.capture_s, actions, pending.conditions)
        return True

    def fail(self, pending: PendingChunk) -> None:
        """The inference has failed."""
        if pending is self.pending:
            self.pending = None

    def _off_plan_m(self) -> float:
        """How far from the plan the pusher was when it was last seen [m]; 0 without a plan."""
        seen = self.observer.pusher()
        if self.plan is None or seen is None:
            return 0.0
        stamp_s, pose = seen
        return float(np.linalg.norm(self.plan.sample(stamp_s)[0] - pose[:2]))

    def _chunk_seed(self) -> int:
        """Of the next chunk's noise."""
        self.chunks += 1
        return int(np.random.SeedSequence([self._seed, self.chunks]).generate_state(1)[0])
