"""The driver beside a control loop: it never waits, and says nothing when it sees nothing."""

import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from policy_server.bundle import load_policy
from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import DiffusionSchedule
from policy_server.driver import PolicyDriver
from policy_server.latency import Stage
from policy_server.policy import ChunkRequest, Policy
from pushcell.action_chunk import ActionChunk
from pushcell.config.cell import CellConfig
from pushcell.errors import BundleError
from tests.policy_server.examples import some_manifest
from tests.policy_server.toy_bundle import driving_graphs, write_toy

TICK = 0.01
PUSHER = np.array([0.55, 0.1])
SCHEDULE = DiffusionSchedule(
    train_steps=100, prediction="sample", clip_sample=False, inference_steps=4
)


class Gate(Policy):
    """A policy whose answers wait for a gate; the clock is the test's."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()
        self.broken = False

    @property
    def manifest(self) -> Manifest:
        return self._policy.manifest

    def infer(self, request: ChunkRequest) -> np.ndarray:
        self.asked.set()
        assert self.open.wait(10)
        if self.broken:
            raise BundleError("the network gave a prediction that is not finite")
        return self._policy.infer(request)


class Rig:
    """A driver with a clock that goes on tick by tick, fed at 50 Hz; its policy wants the pusher to
    a place that is 3 cm from where it rests."""

    def __init__(
        self,
        cell: CellConfig,
        folder: Path,
        to: tuple[float, float] = (0.58, 0.1),
        cameras: tuple[str, ...] = (),
        chunking: str = "realtime",
        latency_s: float = 0.0,
        inference_s: float | None = None,
    ) -> None:
        manifest = some_manifest(cell, cameras, schedule=SCHEDULE)
        graphs = driving_graphs(manifest, np.array(to), 0.1)
        self.policy = Gate(load_policy(write_toy(folder, manifest, graphs), cell))
        self.now = 0.0
        latencies_s = dict.fromkeys(cameras, latency_s)
        self.driver = PolicyDriver(
            self.policy,
            cell,
            lambda: self.now,
            chunking,
            latencies_s=latencies_s,
            inference_s=inference_s,
        )
        self.feeding = True
        self._cameras = cameras

    def tick(self, settle: bool = True) -> ActionChunk | None:
        """One tick; by default the thread may finish what it has been given before."""
        if self.feeding and round(self.now / TICK) % 2 == 0:
            for name in ("pusher", "slider"):
                self.driver.on_pose(name, self.now - 0.004, [*PUSHER, 0.5])
            for name in self._cameras:
                self.driver.on_image(name, self.now - 0.004, np.zeros((24, 32, 3), np.uint8))
        found = self.driver.tick(self.now)
        if settle:
            self.driver._thread.submit(lambda: None).result(10)
        self.now += TICK
        return found

    def run(self, duration_s: float) -> list[ActionChunk]:
        ticks = (self.tick() for _ in range(round(duration_s / TICK)))
        return [chunk for chunk in ticks if chunk is not None]


@pytest.fixture
def rig(cell: CellConfig, tmp_path: Path):
    found = Rig(cell, tmp_path)
    yield found
    found.policy.open.set()
    found.driver.close()


def test_chunks_come_while_active_and_only_then(rig: Rig) -> None:
    assert rig.run(0.3) == []
    rig.driver.activate()
    chunks = rig.run(2.0)
    captures = sorted({chunk.capture_s for chunk in chunks})
    assert len(captures) >= 2
    # Half of `execute`, less the one action that the delay is rounded up to, once that is known.
    np.testing.assert_allclose(np.diff(captures), [0.4, 0.3, 0.3, 0.3, 0.3, 0.3], atol=1e-6)
    rig.driver.deactivate()
    assert rig.run(0.5) == []


def test_a_sign_of_life_well_inside_the_guards_patience(rig: Rig, cell: CellConfig) -> None:
    rig.driver.activate()
    rig.run(0.1)
    times = [rig.now for _ in range(200) if rig.tick() is not None]
    assert max(b - a for a, b in itertools.pairwise(times)) < cell.motion.command_silence_s / 2


def test_what_is_said_again_is_the_same_chunk(rig: Rig) -> None:
    rig.driver.activate()
    chunks = rig.run(2.0)
    captures = {chunk.capture_s for chunk in chunks}
    assert len(chunks) > len(captures) == len({id(chunk) for chunk in chunks})


def test_a_tick_never_waits_for_the_network(rig: Rig) -> None:
    rig.driver.activate()
    rig.policy.open.clear()
    began = time.monotonic()
    for _ in range(5):
        assert rig.tick(settle=False) is None
    assert rig.policy.asked.wait(10)
    assert time.monotonic() - began < 9  # the gate alone would hold it for ten
    rig.policy.open.set()
    assert rig.run(0.2)


@pytest.mark.parametrize("needed_s", [0.0, 0.3])
def test_in_simulated_time_a_chunk_takes_what_is_declared_whatever_it_needs(
    cell: CellConfig, tmp_path: Path, needed_s: float
) -> None:
    rig = Rig(cell, tmp_path, inference_s=0.035)
    rig.run(0.1)
    rig.driver.activate()
    rig.policy.open.clear()
    threading.Timer(needed_s, rig.policy.open.set).start()
    rig.run(0.3)
    (first, *_) = rig.driver.take_records()
    assert first.ended_s - first.begun_s == pytest.approx(0.04), "the tick at which it is there"
    assert first.outcome == "accepted"
    rig.driver.close()


def test_many_lost_chunks_are_a_warning_that_counts_them(rig: Rig) -> None:
    rig.run(0.1)
    rig.driver.activate()
    rig.policy.broken = True
    rig.run(1.0)
    rig.policy.broken = False
    rig.run(0.3)
    problem, figures = rig.driver.diagnose()
    assert "of the last" in problem
    assert figures["chunks_failed"] > 0
    assert figures["chunks_accepted"] > 0
    records = rig.driver.take_records()
    assert "not finite" in next(r.reason for r in records if r.outcome == "failed")


def test_a_plan_that_nobody_follows_begins_again_where_the_pusher_is(
    cell: CellConfig, tmp_path: Path
) -> None:
    """So that the guard may begin to follow at any time: no first target is beyond its gate."""
    rig = Rig(cell, tmp_path, to=(0.55, -0.05), chunking="receding")
    rig.driver.activate()
    rig.run(0.1)
    said = []
    for _ in range(400):
        chunk = rig.tick()
        if chunk is not None:
            said.append((chunk.capture_s, chunk.sample(rig.now - TICK)[0]))
    rig.driver.close()
    away = [np.linalg.norm(target - PUSHER) for _, target in said]
    assert len({capture for capture, _ in said}) > 4
    assert 0.03 < max(away) <= cell.motion.first_target_max_jump_m
    assert max(np.linalg.norm(p - PUSHER) for p in rig.driver._loop.plan.positions) > 0.1


def test_latencies_of_the_cell_are_taken_off(cell: CellConfig, tmp_path: Path) -> None:
    """An image counts from its exposure, and an arm that does all later is told all earlier."""
    late = cell.model_copy(update={"arm": cell.arm.changed(latency_s=0.03)})
    chunks = []
    for number, (one, camera_s) in enumerate(((cell, 0.0), (late, 0.04))):
        rig = Rig(one, tmp_path / str(number), cameras=("overhead",), latency_s=camera_s)
        rig.driver.activate()
        chunks.append(rig.run(0.3)[0])
        rig.driver.close()
    plain, shifted = chunks
    assert shifted.capture_s == pytest.approx(plain.capture_s - 0.04)
    np.testing.assert_allclose(shifted.times_s, plain.times_s - 0.03, atol=1e-9)
    np.testing.assert_allclose(shifted.positions, plain.positions)


def test_what_was_thought_before_a_new_rollout_is_dropped(rig: Rig) -> None:
    rig.driver.activate()
    rig.policy.open.clear()
    rig.tick(settle=False)
    old_s = rig.now
    rig.driver.deactivate()
    rig.driver.activate()
    rig.now += 0.05
    rig.policy.open.set()
    assert all(chunk.capture_s > old_s for chunk in rig.run(0.5))


def test_blind_means_silent(rig: Rig) -> None:
    rig.driver.activate()
    assert rig.run(0.3)
    rig.feeding = False
    rig.run(0.2)
    assert rig.run(0.5) == []
    assert "old, allowed: 0.150 s" in rig.driver.diagnose()[0]
    rig.feeding = True
    rig.tick()
    assert rig.run(0.3)


def test_a_clock_that_jumps_back_begins_a_new_time(rig: Rig) -> None:
    rig.now = 50.0
    rig.driver.activate()
    assert rig.run(0.5)
    rig.now = 20.0
    chunks = rig.run(1.0)
    assert chunks
    assert all(20.0 <= chunk.capture_s < 21.0 for chunk in chunks)


def test_a_network_that_fails_is_told_and_moves_nothing(rig: Rig) -> None:
    rig.policy.broken = True
    rig.driver.activate()
    assert rig.run(0.3) == []
    assert "not finite" in rig.driver.diagnose()[0]


def test_chunks_that_the_guard_would_refuse_are_not_published(rig: Rig) -> None:
    rig.driver.activate()
    rig.policy.open.clear()
    rig.tick(settle=False)
    assert rig.policy.asked.wait(10)
    for _ in range(30):
        rig.tick(settle=False)
    rig.policy.open.set()
    rig.driver._thread.submit(lambda: None).result(10)
    rig.tick(settle=False)
    problem, figures = rig.driver.diagnose()
    assert figures["dropped_chunks"] == 1
    assert "after motion.observation_age_s, which is 0.15 s" in problem
    assert rig.run(0.3)


def test_the_budget_adds_up(rig: Rig) -> None:
    rig.driver.activate()
    for _ in range(300):
        if rig.tick() is not None:
            rig.driver.on_motion(rig.now)
    stages = {stage: rig.driver.budget.distribution(stage) for stage in Stage}
    assert all(d.count >= 3 for d in stages.values())
    assert stages[Stage.RECEIVE].p50 == pytest.approx(0.004)
    parts = sum(d.mean for stage, d in stages.items() if stage is not Stage.TOTAL)
    assert parts == pytest.approx(stages[Stage.TOTAL].mean, abs=1e-6)
    assert "inference [ms]" in rig.driver.diagnose()[1]
