"""Commands the guard as nobody should, and keeps what came of it."""

from __future__ import annotations

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.motion.guard import Source
from tests.motion.limits_checker import violations
from tests.motion.rig import PERIOD_S, Rig


class Adversary:
    """Throws acts at a rig and keeps what came out of the guard, arm by arm."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        rig.deadman = True
        rig.released()
        rig.guard.select(Source.POLICY)
        self.moved_m = 0.0
        self.pieces: list[tuple[list, list]] = [([], [])]

    def violations(self, cell_yaml: str) -> list[str]:
        """Limits of the cell's file that what came out violates."""
        pieces = [(np.array(tips), np.array(joints)) for tips, joints in self.pieces if tips]
        return [found for piece in pieces for found in violations(cell_yaml, PERIOD_S, *piece)]

    def do(self, what: str, ticks: int, detail: object) -> None:
        rig = self.rig
        if what == "select":
            rig.guard.select(detail)
        elif what == "deadman":
            rig.deadman = detail
        elif what == "publishers":
            rig.guard.on_publishers(Source.POLICY, detail)
        elif what == "stop":
            rig.guard.emergency_stop.set_pressed("A", True)
            rig.guard.emergency_stop.set_pressed("A", False)
        elif what == "time_jump":
            rig.now += detail
        rig.arm_reports = what != "no_arm"
        start = rig.guard.tip
        for tick in range(ticks):
            if rig.guard.tip is not None:
                self.command(what, detail, tick, ticks, start)
            self.tick()
        rig.arm_reports, rig.deadman = True, True
        rig.guard.on_publishers(Source.POLICY, 1)
        rig.guard.emergency_stop.release()
        if rig.guard.state.source is Source.HOLD:
            rig.guard.select(Source.POLICY)

    def command(self, what, detail, tick, ticks, start) -> None:
        rig = self.rig
        if what == "way" and start is not None:
            shares = np.minimum(1, (tick + np.array([0, 10, 20])) / ticks)[:, None]
            self.send(rig.now, start + shares * np.array(detail))
        elif what == "step":
            self.send(rig.now, [detail, detail])
        elif what == "noise":
            self.send(
                rig.now,
                rig.guard.tip + np.random.default_rng(detail + tick).normal(0, 0.04, (4, 2)),
            )
        elif what == "burst":
            rng = np.random.default_rng(detail + tick)
            for _ in range(5):
                self.send(
                    rig.now - rng.uniform(0, 0.1), rng.uniform([0.3, -0.5], [0.9, 0.5], (8, 2))
                )
        elif what == "old":
            self.send(rig.now - detail, rig.guard.tip + np.zeros((4, 2)))
        elif what == "teleop":
            rig.guard.on_teleop(rig.now, rig.now, rig.guard.tip + detail)
        elif what == "teleop_step":
            rig.guard.on_teleop(rig.now, rig.now, np.array(detail))

    def send(self, capture_s: float, positions) -> None:
        try:
            chunk = ActionChunk.at_rate(capture_s, self.rig.now, 10.0, positions)
        except ValueError:
            self.rig.guard.on_malformed(Source.POLICY)
        else:
            self.rig.guard.on_chunk(self.rig.now, chunk)

    def tick(self) -> None:
        rig = self.rig
        rig.tick()
        tips, joints = self.pieces[-1]
        if rig.guard.tip is None:
            if tips:
                self.pieces.append(([], []))
            return
        if tips:
            self.moved_m += float(np.linalg.norm(rig.guard.tip - tips[-1]))
        tips.append(rig.guard.tip)
        joints.append(rig.q)
