"""A policy in simulated time: inference takes no time of it but what is injected."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from policy_server.chunking import scheduler
from policy_server.delay import InjectedDelay
from policy_server.loop import PendingChunk, PolicyLoop
from policy_server.observation import Observer
from policy_server.policy import Policy
from pushcell.action_chunk import ActionChunk
from pushcell.errors import PlanningError, PushcellError
from pushcell.geometry import Array

_DELAYS = 1  # beside the seed, for the generator of the injected delays
_ROUNDING_S = 1e-6


class NoChunkError(PushcellError):
    """The policy itself failed, or gave no chunk: the trial says nothing of how well it pushes."""


class SteppedPolicy:
    """Observe once a period of the policy; ask for the plan as often as wanted.

    ``lookahead_s``: how far the motion looks ahead into the plan; ``max_off_plan_m`` as for
    `PolicyLoop`.
    """

    def __init__(
        self,
        policy: Policy,
        goal: Array,
        chunking: str,
        delay: InjectedDelay,
        seed: int,
        lookahead_s: float = 0.0,
        max_off_plan_m: float = math.inf,
    ) -> None:
        manifest = policy.manifest
        self._policy = policy
        self.period_s = 1.0 / manifest.rate_hz
        self.observer = Observer(
            manifest.observation,
            manifest.rate_hz,
            goal,
            self.period_s + _ROUNDING_S,
            0.5 * self.period_s,
        )
        self._loop = PolicyLoop(
            self.observer,
            scheduler(chunking, manifest, lookahead_s),
            seed,
            max_off_plan_m=max_off_plan_m,
        )
        self._delays: Iterator[float] = delay.draw(np.random.default_rng([seed, _DELAYS]))
        self._coming: tuple[float, PendingChunk, Array] | None = None
        self.gave_chunk = 0  # chunks that came

    def needs_images(self, time_s: float) -> bool:
        """Whether the policy will need the images of this time, at once or as a later step."""
        self._arrive(time_s)
        return self._policy.manifest.observation.steps > 1 or self._loop.wants(time_s)

    def plan(self, time_s: float) -> ActionChunk | None:
        """What holds from now on; None before the first chunk.

        Raises PlanningError where the policy sees nothing any more, NoChunkError where it
        never did, or fails.
        """
        self._arrive(time_s)
        pending = self._loop.begin(time_s)
        if pending is not None:
            self._coming = (time_s + next(self._delays), pending, self._infer(pending))
            self._arrive(time_s)
        elif self._loop.problem:
            if not self.gave_chunk:
                raise NoChunkError(f"the policy sees nothing: {self._loop.problem}")
            raise PlanningError(self._loop.problem)
        return self._loop.plan

    def next_position(self, time_s: float) -> Array | None:
        """(2,) where the pusher shall be one period later; None while there is no plan."""
        plan = self.plan(time_s)
        return None if plan is None else plan.sample(time_s + self.period_s)[0]

    def _infer(self, pending: PendingChunk) -> Array:
        try:
            return self._policy.infer(pending.request)
        except Exception as error:  # policies of other people raise anything
            what = "" if isinstance(error, PushcellError) else f"{type(error).__name__}: "
            raise NoChunkError(f"the policy failed: {what}{error}") from error

    def _arrive(self, time_s: float) -> None:
        """Take the chunk that is under way, if it has come by now."""
        if self._coming is not None and self._coming[0] <= time_s + _ROUNDING_S:
            _, pending, actions = self._coming
            self._coming = None
            self.gave_chunk += self._loop.finish(time_s, pending, actions)
