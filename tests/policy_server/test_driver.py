"""The driver beside a control loop: it never waits, and says nothing when it sees nothing."""

import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from policy_server.bundle import load_policy
from policy_server.bundle_format import Manifest
from policy_server.chunk import ActionChunk
from policy_server.driver import PolicyDriver
from policy_server.latency import Stage
from policy_server.policy import Policy, Request
from pushcell.config import CellConfig
from pushcell.errors import BundleError
from tests.policy_server.examples import some_manifest
from tests.policy_server.toy_bundle import random_graphs, write_toy

TICK = 0.01


class Gate:
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

    def infer(self, request: Request) -> np.ndarray:
        self.asked.set()
        assert self.open.wait(10)
        if self.broken:
            raise BundleError("the network gave a prediction that is not finite")
        return self._policy.infer(request)


class Rig:
    """A driver with a clock that goes on tick by tick, fed at 50 Hz."""

    def __init__(self, cell: CellConfig, folder: Path, chunking: str = "realtime") -> None:
        manifest = some_manifest(cell)
        self.policy = Gate(load_policy(write_toy(folder, manifest, random_graphs(manifest)), cell))
        self.now = 0.0
        self.driver = PolicyDriver(self.policy, cell, lambda: self.now, chunking)
        self.feeding = True

    def tick(self, settle: bool = True) -> ActionChunk | None:
        """One tick; by default the thread may finish what it has been given before."""
        if self.feeding and round(self.now / TICK) % 2 == 0:
            for name in ("pusher", "slider"):
                self.driver.on_pose(name, self.now - 0.004, [0.55, 0.1, 0.5])
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
    assert (np.diff(captures) > 0.5).all()
    rig.driver.deactivate()
    assert rig.run(0.5) == []


def test_a_sign_of_life_well_inside_the_guards_patience(rig: Rig, cell: CellConfig) -> None:
    rig.driver.activate()
    rig.run(0.1)
    times = [rig.now for _ in range(200) if rig.tick() is not None]
    assert max(b - a for a, b in itertools.pairwise(times)) < cell.motion.command_silence_s / 2


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
    assert "was dropped: motion.observation_age_s is 0.15 s" in problem
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
