"""When a chunk is requested, with which settings, and how it joins the plan; for any clock.

The same schedulers run in the node, in the simulator and in offline replay. A chunk's actions are
due at fixed times counted from the capture of its observation, so one that arrives late is joined
where the time is by then; its first actions are past.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from policy_server.bundle_format import Manifest
from policy_server.degradation import Degradation, SamplingSettings, sampling_settings, undisturbed
from policy_server.delay import DelayEstimate
from pushcell.action_chunk import ActionChunk
from pushcell.errors import ConfigError
from pushcell.geometry import Array

_ROUNDING_S = 1e-6
_FADE_PERIODS = 3


@dataclass(frozen=True)
class ChunkConditions:
    """What a chunk is asked for with; see `policy.ChunkRequest`."""

    known: Array
    settings: SamplingSettings


class Scheduler(Protocol):
    """Times are of one clock [s]; one chunk is under way at a time."""

    plan: ActionChunk | None
    late: int

    @property
    def degradation(self) -> Degradation:
        """What has been given up because chunks take long."""

    def reset(self) -> None:
        """Start a new trial: forget the plan and all chunks."""

    def restart(self) -> None:
        """The pusher is not where the plan has it: the next chunk is due, and begins from rest."""

    def wants(self, now_s: float) -> bool:
        """Whether a chunk shall be asked for now."""

    def conditions_for(self, now_s: float, capture_s: float) -> ChunkConditions:
        """The conditions for a chunk of the observation of ``capture_s``."""

    def note_delay(self, delay_s: float) -> None:
        """A chunk has taken this long [s], from capture to its arrival."""

    def accept(
        self, now_s: float, capture_s: float, actions: Array, conditions: ChunkConditions
    ) -> None:
        """The chunk (H, 2) [m] has come; ``plan`` is what holds from now on."""


class RecedingHorizon:
    """Asks when ``execute`` actions are done, and goes on along the old chunk meanwhile."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._period_s = 1.0 / manifest.rate_hz
        self._settings = undisturbed(manifest)
        self.reset()

    def reset(self) -> None:
        """Forget the plan."""
        self.plan: ActionChunk | None = None
        self.late = 0
        self._asked_s = -np.inf
        self._rested = True
        self._off_plan = False

    @property
    def degradation(self) -> Degradation:
        """What the last request gave up because chunks take long."""
        return self._settings.degradation

    def note_delay(self, delay_s: float) -> None:
        """Ignored: this scheduler does not depend on the delay."""

    def restart(self) -> None:
        """The plan holds until the next chunk has come, but nothing of it is taken over."""
        self._off_plan = True

    def wants(self, now_s: float) -> bool:
        """Once ``execute`` periods have passed, or the plan is at its end."""
        return self._begins(now_s) or now_s - self._asked_s >= self._wait_s() - _ROUNDING_S

    def conditions_for(self, now_s: float, capture_s: float) -> ChunkConditions:
        """A request without a prefix: no action is committed in advance."""
        self._asked(now_s)
        return ChunkConditions(np.empty((0, 2)), self._settings)

    def accept(
        self, now_s: float, capture_s: float, actions: Array, conditions: ChunkConditions
    ) -> None:
        """Replace the plan by the newest chunk."""
        self.plan = self._timed(now_s, capture_s, actions)

    def _wait_s(self) -> float:
        return self._settings.execute * self._period_s

    def _begins(self, now_s: float) -> bool:
        """Whether there is nothing that a chunk could go on with."""
        return self.plan is None or self._off_plan or now_s >= self.plan.end_s

    def _asked(self, now_s: float) -> None:
        self._asked_s = now_s
        self._rested, self._off_plan = self._begins(now_s), False

    def _timed(self, now_s: float, capture_s: float, actions: Array) -> ActionChunk:
        """The chunk with its times: of a pusher that rested meanwhile, none of it is past."""
        first_s = (now_s if self._rested else capture_s) + self._period_s
        return ActionChunk.at_rate(capture_s, first_s, self._manifest.rate_hz, actions)


class Asynchronous(RecedingHorizon):
    """Asks again as soon as the last chunk has come: the newest chunk always counts."""

    def _wait_s(self) -> float:
        return 0.0


class TemporalEnsembling(RecedingHorizon):
    """Asks every period; each action is the mean of all that was ever said about its time.

    The weight of a chunk is exp(-k age), ages counted from the oldest one (Zhao et al. 2023): the
    larger k, the more the first word counts; k < 0 prefers the newest.
    """

    def __init__(self, manifest: Manifest, k: float = 0.01) -> None:
        self._k = k
        super().__init__(manifest)

    def reset(self) -> None:
        """Forget all chunks."""
        super().reset()
        self._chunks: deque[ActionChunk] = deque(maxlen=self._manifest.action.horizon)

    def accept(
        self, now_s: float, capture_s: float, actions: Array, conditions: ChunkConditions
    ) -> None:
        """Average over all chunks that reach to each of the newest one's times."""
        if self._rested:
            self._chunks.clear()
        newest = self._timed(now_s, capture_s, actions)
        self._chunks.append(newest)
        means = np.array([self._mean(time_s) for time_s in newest.times_s])
        self.plan = ActionChunk(capture_s, newest.times_s, means)

    def _wait_s(self) -> float:
        return self._period_s

    def _mean(self, time_s: float) -> Array:
        said = [c.sample(time_s)[0] for c in self._chunks if time_s <= c.end_s + _ROUNDING_S]
        weights = np.exp(-self._k * np.arange(len(said)))
        return weights @ np.array(said) / weights.sum()


class RealTimeChunking(RecedingHorizon):
    """Asks early, for a chunk that goes on with what is executed while it is made.

    A network that was trained with a prefix is given what is committed. Any other would take it for
    its own idea and go on from elsewhere; it starts from the noised plan, so that it means the same
    way, is asked more often, and its chunk is faded in. ``lookahead_s``: how far ahead of the
    time the motion has looked into the plan already.
    """

    def __init__(self, manifest: Manifest, lookahead_s: float = 0.0) -> None:
        self._ahead_s = lookahead_s if manifest.max_prefix else 0.0
        self._delay = DelayEstimate()
        super().__init__(manifest)

    def note_delay(self, delay_s: float) -> None:
        """It counts for the next request's prefix."""
        self._delay.add(delay_s)

    def wants(self, now_s: float) -> bool:
        """As a receding horizon; under the rule of hold, only at rest."""
        if self._settings.degradation is Degradation.HOLD:
            return self._begins(now_s)
        return super().wants(now_s)

    def conditions_for(self, now_s: float, capture_s: float) -> ChunkConditions:
        """What the plan says for the chunk's times, as far as it reaches."""
        self._asked(now_s)
        self._settings = sampling_settings(self._manifest, self._delay.seconds + self._ahead_s)
        if self.plan is None or self._rested:
            return ChunkConditions(
                np.empty((0, 2)),
                replace(self._settings, denoising_steps=None, warm_start_fraction=0.0),
            )
        due = capture_s + self._period_s * np.arange(1, self._manifest.action.horizon + 1)
        known = [self.plan.sample(t)[0] for t in due if t <= self.plan.end_s + _ROUNDING_S]
        return ChunkConditions(np.array(known).reshape(-1, 2), self._settings)

    def accept(
        self, now_s: float, capture_s: float, actions: Array, conditions: ChunkConditions
    ) -> None:
        """The chunk joins the plan where both are the same, unless it has come too late."""
        before, self.plan = self.plan, self._timed(now_s, capture_s, actions)
        if before is None or self._rested:
            return
        covered = min(conditions.settings.prefix, len(conditions.known))
        late_s = now_s + self._ahead_s - (capture_s + covered * self._period_s)
        self.late += late_s > _ROUNDING_S
        if conditions.settings.committed < max(1, conditions.settings.prefix):
            end_s = now_s + _FADE_PERIODS * self._period_s
            self.plan = self.plan.faded_in(before, now_s, end_s)


SCHEDULERS: dict[str, Callable[[Manifest], Scheduler]] = {
    "receding": RecedingHorizon,
    "asynchronous": Asynchronous,
    "ensembling": TemporalEnsembling,
    "realtime": RealTimeChunking,
}


def scheduler(name: str, manifest: Manifest, lookahead_s: float = 0.0) -> Scheduler:
    """The scheduler of that name; ``ensembling:K`` sets the weights' k; raises ConfigError."""
    kind, _, k = name.partition(":")
    if kind == "realtime" and not k:
        return RealTimeChunking(manifest, lookahead_s)
    if kind == "ensembling" and k:
        try:
            return TemporalEnsembling(manifest, float(k))
        except ValueError:
            raise ConfigError(f"the k of {name!r} is not a number") from None
    if name not in SCHEDULERS:
        raise ConfigError(f"there is no chunking {name!r}; known are: {', '.join(SCHEDULERS)}")
    return SCHEDULERS[name](manifest)
