"""A policy in simulated time: inference takes no time of it but what is injected."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from policy_server.chunking import scheduler
from policy_server.delay import InjectedDelay
from policy_server.loop import Job, PolicyLoop
from policy_server.observation import Observer
from policy_server.policy import Policy
from pushcell.errors import PlanningError
from pushcell.geometry import Array

_DELAYS = 1  # beside the seed, for the generator of the injected delays
# A sample is of this very moment.
_MAX_AGE_S = 1e-3
_ROUNDING_S = 1e-9


class Lockstep:
    """Observe, then ask for the next position, once a period of the policy."""

    def __init__(
        self, policy: Policy, goal: Array, chunking: str, delay: InjectedDelay, seed: int
    ) -> None:
        manifest = policy.manifest
        self._policy = policy
        self._period_s = 1.0 / manifest.rate_hz
        self.observer = Observer(
            manifest.observation, manifest.rate_hz, goal, _MAX_AGE_S, 0.5 * self._period_s
        )
        self._loop = PolicyLoop(self.observer, scheduler(chunking, manifest), seed)
        self._delays: Iterator[float] = delay.draw(np.random.default_rng([seed, _DELAYS]))
        self._coming: tuple[float, Job, Array] | None = None

    def next_position(self, time_s: float) -> Array | None:
        """(2,) where the pusher shall be one period later; None while there is no plan.

        Raises PlanningError where the policy sees nothing.
        """
        self._arrive(time_s)
        job = self._loop.begin(time_s)
        if job is not None:
            self._coming = (time_s + next(self._delays), job, self._policy.infer(job.request))
            self._arrive(time_s)
        elif self._loop.problem:
            raise PlanningError(self._loop.problem)
        plan = self._loop.plan
        return None if plan is None else plan.sample(time_s + self._period_s)[0]

    def _arrive(self, time_s: float) -> None:
        """Take the chunk that is under way, if it has come by now."""
        if self._coming is not None and self._coming[0] <= time_s + _ROUNDING_S:
            _, job, actions = self._coming
            self._coming = None
            self._loop.finish(time_s, job, actions)
