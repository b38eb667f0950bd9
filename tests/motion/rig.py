"""A guard with an arm that does exactly what it is told, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig
from pushcell.motion.guard import MotionGuard, Phase, Source
from pushcell.motion.reasons import Reason

PERIOD_S = 0.01


class Rig:
    """Ticks a guard and keeps every tip position that it commanded."""

    def __init__(
        self, cell: CellConfig, kinematics: ArmKinematics, require_deadman: bool = False
    ) -> None:
        self.cell = cell
        self.kinematics = kinematics
        self.guard = MotionGuard(cell, kinematics, require_deadman)
        self.now = 100.0
        self.q = kinematics.home_joints(cell.task.pusher_home_m)
        self.arm_reports = True
        self.deadman = False
        self.tips: list[np.ndarray] = []

    def released(self) -> Rig:
        """With the arm known and the emergency stop released."""
        self.run(0.05)
        assert self.guard.emergency_stop.release() is None
        self.run(0.02)
        return self

    def tick(self) -> None:
        """One period: the arm reports, the operator holds on, the guard commands, the arm obeys."""
        self.now += PERIOD_S
        if self.arm_reports:
            self.guard.on_arm_status(self.now, self.q)
        self.guard.on_deadman(self.now, self.deadman)
        target = self.guard.tick(self.now)
        if target is not None:
            self.q = target.position
            self.tips.append(self.kinematics.tip_pose(self.q).translation[:2])

    def run(self, duration_s: float, each: Callable[[], None] = lambda: None) -> None:
        """Ticks for a while, calling ``each`` before every one."""
        for _ in range(round(duration_s / PERIOD_S)):
            each()
            self.tick()

    def chunk(self, offset=(0.0, -0.1), age_s: float = 0.02, horizon_s: float = 1.6) -> ActionChunk:
        """From the commanded tip evenly to an offset [m] over the horizon."""
        steps = np.linspace(0, 1, round(horizon_s * 10) + 1)[:, None]
        positions = self.guard.tip + steps * np.array(offset)
        return ActionChunk.at_rate(self.now - age_s, self.now, 10.0, positions)

    def drive_policy(self, duration_s: float = 0.5) -> ActionChunk:
        """Select the policy and follow a chunk that is sent again at 20 Hz; returns it."""
        assert self.guard.select(Source.POLICY) is None
        chunk = self.chunk()
        self.resend(chunk, duration_s)
        assert self.guard.state.phase is Phase.MOVING, self.guard.state
        return chunk

    def resend(self, chunk: ActionChunk, duration_s: float) -> None:
        """Ticks while the chunk is sent every fifth of them."""
        for tick in range(round(duration_s / PERIOD_S)):
            if tick % 5 == 0:
                self.guard.on_chunk(self.now, chunk)
            self.tick()

    def settle(self) -> float:
        """Ticks until the arm rests; returns how long that took [s]."""
        began = self.now
        while self.guard.state.phase in (Phase.MOVING, Phase.STOPPING):
            self.tick()
            assert self.now - began < 2.0, self.guard.state
        return self.now - began

    @property
    def speed(self) -> float:
        """Of the commanded tip [m/s]."""
        return float(np.linalg.norm(self.tips[-1] - self.tips[-2]) / PERIOD_S)


def assert_stopped(rig: Rig, reason: Reason, limit_s: float = 0.0) -> None:
    """It comes to a stop with a reason, within 300 ms of the watchdog's limit, straight on."""
    before = rig.tips[-1] - rig.tips[-2]
    took_s = rig.settle()
    assert rig.guard.state.reason is reason
    assert rig.guard.state.source is Source.HOLD
    assert took_s <= limit_s + 0.3
    way = rig.tips[-1] - rig.tips[-round(took_s / PERIOD_S) - 1]
    across = way @ [-before[1], before[0]] / np.linalg.norm(before)
    assert abs(across) < 2e-3
    rig.run(0.5)
    assert rig.speed < 1e-4


def teleop(rig: Rig, offset: np.ndarray) -> None:
    rig.guard.on_teleop(rig.now, rig.now - 0.01, rig.guard.tip + offset)
