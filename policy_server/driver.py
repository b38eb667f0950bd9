"""Runs a policy beside a control loop: inference in a thread of its own, chunks as they come.

No ROS here; a node feeds it with samples and ticks, and publishes what it returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policy_server.bundle_format import Manifest
from policy_server.chunking import Scheduler, scheduler
from policy_server.degradation import Degradation
from policy_server.delay import InjectedDelay
from policy_server.latency import LatencyBudget, Stage
from policy_server.loop import PendingChunk, PolicyLoop, max_off_plan_m
from policy_server.observation import Observer
from policy_server.policy import ChunkRequest, Policy
from pushcell.action_chunk import ActionChunk
from pushcell.config.cell import CellConfig
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell.timing import steady_seconds

# A chunk is sent again this often, as a sign of life; well inside motion.command_silence_s.
_REPEAT_S = 1 / 30
_WARM_UPS = 3
# Of motion.observation_age_s: the guard hears of a chunk a little later.
_PROMPT_SHARE = 0.8
# Of so many last chunks, more than this share lost is a warning.
_OUTCOMES_KEPT, _LOST_SHARE = 50, 0.1


ChunkOutcome = Literal["accepted", "dropped", "failed"]


@dataclass(frozen=True)
class ChunkRecord:
    """How one chunk came about, so that a replay can make it again; control times [s]."""

    number: int  # since the activation, from one on
    seed: int  # of the rollout
    capture_s: float
    begun_s: float
    ended_s: float
    outcome: ChunkOutcome
    reason: str = ""  # why it was dropped or failed
    chunking: str = ""  # both are in the notes of a recording alone
    bundle: str = ""


@dataclass(frozen=True)
class PendingInference:
    """An inference under way in the thread; times of the control clock [s]."""

    pending: PendingChunk
    received_s: float
    future: Future[tuple[Array, float, float]]
    due_s: float  # nothing is taken before, as if inference took so long


class PolicyDriver:
    """``tick`` never waits; what it returns is to be published at once."""

    def __init__(
        self,
        policy: Policy,
        cell: CellConfig,
        clock: Callable[[], float],
        chunking: str = "realtime",
        seed: int = 0,
        lookahead_s: float = 0.0,
        executor: Executor | None = None,
        scheduler_of: Callable[[str, Manifest, float], Scheduler] = scheduler,
        delay: InjectedDelay | None = None,
        latencies_s: Mapping[str, float] | None = None,
        inference_s: float | None = None,
    ) -> None:
        """``clock`` is control time [s], read from both threads; ``lookahead_s`` as for
        `RealTimeChunking`. ``executor`` infers, by default in a thread of its own; ``delay`` is how
        long each chunk takes at least, in a test; ``latencies_s`` as for `Observer`.
        ``inference_s``: in simulated time, how long a chunk takes; the thread is waited for then,
        however long this machine needs. None: as long as it takes."""
        manifest = policy.manifest
        self._policy, self._clock, self._cell = policy, clock, cell
        max_age_s = cell.motion.observation_age_s
        cameras = manifest.observation.cameras
        observer = Observer(
            manifest.observation,
            manifest.rate_hz,
            cell.task.goal,
            max_age_s,
            max_skew_s=0.5 / manifest.rate_hz,
            periods_s={c.name: 1 / cell.camera(c.name).rate_hz for c in cameras},
            latencies_s=latencies_s,
        )
        self._loop = PolicyLoop(
            observer,
            scheduler_of(chunking, manifest, lookahead_s + cell.arm.latency_s),
            seed,
            _PROMPT_SHARE * max_age_s,
            max_off_plan_m(cell),
        )
        self._delays = (delay or InjectedDelay()).draw(np.random.default_rng(seed))
        self._inference_s = inference_s
        self._thread = executor or ThreadPoolExecutor(1, "inference")
        self._seed = seed
        self._records: list[ChunkRecord] = []
        self._outcomes: deque[ChunkOutcome] = deque(maxlen=_OUTCOMES_KEPT)
        self.budget = LatencyBudget()
        self._received_s: dict[str, float] = {}
        self._ticked_s = -np.inf
        self.deactivate()

    @property
    def manifest(self) -> Manifest:
        """Manifest of the policy that is driven."""
        return self._policy.manifest

    def warm_up(self) -> float:
        """Some chunks of nothing; returns how long the last one took, in real time [s]."""
        spec = self._policy.manifest.observation
        values: dict[str, NDArray[Any]] = {k: np.zeros(spec.shapes[k][1:]) for k in spec.keys}
        for camera in spec.cameras:
            shape = (spec.steps, camera.height_px, camera.width_px, 3)
            values[camera.key] = np.zeros(shape, np.uint8)
        for seed in range(_WARM_UPS):
            began_s = steady_seconds()
            self._policy.infer(ChunkRequest(values, seed))
        return steady_seconds() - began_s

    def activate(self, fresh: bool = True) -> None:
        """Begin a new rollout, from the next observation, or else from whatever is there."""
        self.deactivate()
        if fresh:
            self._loop.await_next(self._clock())
        self._active = True

    def after(self, chunks: int) -> None:
        """So many chunks of this rollout have been begun before, here or elsewhere."""
        self._loop.chunks = chunks

    def deactivate(self) -> None:
        """Say nothing any more; an inference under way is dropped when it ends."""
        self._active = False
        self._forget()

    def _forget(self) -> None:
        """Begin anew with whatever comes."""
        self._inference: PendingInference | None = None
        self._published_s = -np.inf
        self._moving: tuple[float, float] | None = None
        self._failure = ""
        self._sent: tuple[ActionChunk, ActionChunk] | None = None
        self._loop.reset()

    @property
    def problem(self) -> str:
        """Why nothing is said now; empty while all is well."""
        return (self._failure or self._loop.problem) if self._active else ""

    def take_records(self) -> list[ChunkRecord]:
        """Of the chunks that have come since this was asked last."""
        records, self._records = self._records, []
        return records

    def close(self) -> None:
        """End the inference thread."""
        self._thread.shutdown(cancel_futures=True)

    def on_pose(self, name: str, stamp_s: float, pose: ArrayLike) -> None:
        """A planar pose (3,) of ``pusher`` or ``slider``, captured at a control time."""
        self._received_s[name] = self._clock()
        self._loop.observer.push_pose(name, stamp_s, pose)

    def on_image(self, name: str, stamp_s: float, image: NDArray[np.uint8]) -> None:
        """A camera's RGB image (H, W, 3), captured at a control time."""
        self._received_s[name] = self._clock()
        self._loop.observer.push_image(name, stamp_s, image)

    def on_motion(self, stamp_s: float) -> None:
        """The motion side has moved on at a control time."""
        if self._moving is not None and stamp_s >= self._moving[1]:
            capture_s, published_s = self._moving
            self._moving = None
            self.budget.add(Stage.MOVE, stamp_s - published_s)
            self.budget.add(Stage.TOTAL, stamp_s - capture_s)

    def tick(self, now_s: float) -> ActionChunk | None:
        """A chunk to publish: a new one, or the last one again. None while there is none, and
        while nothing is seen: then the guard stops the arm."""
        if now_s < self._ticked_s:
            # All observations and inferences so far are of another time.
            self._loop.observer.reset()
            self._forget()
        self._ticked_s = now_s
        if not self._active:
            return None
        fresh = self._collect(now_s)
        pending = self._loop.begin(now_s)
        if pending is not None:
            received_s = max(self._received_s.values())
            self.budget.add(Stage.RECEIVE, max(0.0, received_s - pending.capture_s))
            self.budget.add(Stage.BEGIN, now_s - received_s)
            future = self._thread.submit(self._infer, pending.request)
            takes_s = max(next(self._delays), self._inference_s or 0.0)
            self._inference = PendingInference(pending, received_s, future, now_s + takes_s)
        plan = self._loop.plan
        if plan is None or self._loop.problem or now_s > plan.end_s:
            return None
        if not fresh and now_s - self._published_s < _REPEAT_S:
            return None
        self._published_s = now_s
        return self._commanded(plan)

    def _commanded(self, plan: ActionChunk) -> ActionChunk:
        """A plan as an arm that is late is told it; the same chunk while the plan is the same."""
        if self._sent is None or self._sent[0] is not plan:
            self._sent = plan, plan.earlier(self._cell.arm.latency_s)
        return self._sent[1]

    def diagnose(self) -> tuple[str, dict[str, object]]:
        """What is wrong, in words (nothing: empty), and figures."""
        loop, degradation = self._loop, self._loop.scheduler.degradation
        problem = self.problem
        harmless = (Degradation.NONE, Degradation.LONGER_PREFIX)
        if not problem and self._active and degradation not in harmless:
            problem = f"chunks take long: {degradation.value}"
        lost = sum(outcome != "accepted" for outcome in self._outcomes)
        if not problem and lost > _LOST_SHARE * len(self._outcomes):
            problem = f"{lost} of the last {len(self._outcomes)} chunks were dropped or failed"
        return problem, {
            **{f"chunks_{what}": self._outcomes.count(what) for what in get_args(ChunkOutcome)},
            "degradation": degradation.value,
            "late_chunks": loop.scheduler.late,
            "dropped_chunks": loop.dropped,
            "samples_out_of_order": loop.observer.refused,
            **self.budget.describe(),
        }

    def _infer(self, request: ChunkRequest) -> tuple[Array, float, float]:
        began_s = self._clock()
        return self._policy.infer(request), began_s, self._clock()

    def _collect(self, now_s: float) -> bool:
        """Take what the thread has made; True for a new plan."""
        inference = self._inference
        if inference is None or now_s < inference.due_s:
            return False
        if self._inference_s is None and not inference.future.done():
            return False
        self._inference = None
        try:
            actions, began_s, ended_s = inference.future.result()
        except PushcellError as error:
            self._failure = str(error)
            self._loop.fail(inference.pending)
            self._note(inference.pending, now_s, "failed", self._failure)
            return False
        self._failure = ""
        if not self._loop.finish(now_s, inference.pending, actions):
            self._failure = (
                f"a chunk came {now_s - inference.pending.capture_s:.3f} s after its capture and "
                f"was dropped: the guard takes none after motion.observation_age_s, which is "
                f"{self._cell.motion.observation_age_s} s"
            )
            self._note(inference.pending, now_s, "dropped", self._failure)
            return False
        self.budget.add(Stage.INFER, ended_s - began_s)
        self.budget.add(Stage.PUBLISH, now_s - ended_s)
        self._moving = (inference.pending.capture_s, now_s)
        self._note(inference.pending, now_s, "accepted")
        return True

    def _note(
        self, pending: PendingChunk, now_s: float, outcome: ChunkOutcome, reason: str = ""
    ) -> None:
        self._outcomes.append(outcome)
        self._records.append(
            ChunkRecord(
                pending.number,
                self._seed,
                pending.capture_s,
                pending.begun_s,
                now_s,
                outcome,
                reason,
            )
        )
