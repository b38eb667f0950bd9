"""What one tick of the guard costs: filter, inverse kinematics and all checks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from pushcell.action_chunk import ActionChunk
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import load_cell
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell.motion.commanded import CommandedArm
from pushcell.motion.guard import MotionGuard, Phase, Source
from pushcell.motion.sources import Reference
from pushcell.timing import Distribution, steady_seconds

CELL = Path(__file__).resolve().parent.parent / "config" / "cell.sim.yaml"
TICKS = 12_000
WARM_UP = 500


def run() -> dict[str, Any]:
    """Two minutes of motion along a circle, as fast as they go."""
    cell = load_cell(CELL)
    kinematics = ArmKinematics(cell)
    home = np.array(cell.task.pusher_home_m)
    q = kinematics.home_joints(home)
    guard = MotionGuard(cell, kinematics, require_deadman=False)
    arm = CommandedArm(cell, kinematics, q)
    whole, core = [], []
    for tick in range(TICKS):
        now = tick * cell.motion.tick_s
        if tick == 5:
            guard.emergency_stop.release()
        if tick == 10:
            guard.select(Source.POLICY)
        guard.on_arm_status(now, q)
        if tick % 5 == 0:
            times = now + 0.1 * np.arange(16)
            guard.on_chunk(now, ActionChunk(now, times, _circle(home, times - 0.1)))
        began = steady_seconds()
        target = guard.tick(now)
        whole.append(steady_seconds() - began)
        q = q if target is None else target.position
        way = _circle(home, np.array([now, now + 0.001]))
        reference = Reference(way[0], (way[1] - way[0]) / 0.001)
        began = steady_seconds()
        arm.move(reference, cell.motion.policy)
        core.append(steady_seconds() - began)
    if guard.state.phase is not Phase.MOVING:
        raise PushcellError(f"the pusher does not move: {guard.state}")
    return {
        "ticks": TICKS - WARM_UP,
        "filter and inverse kinematics": asdict(Distribution.of(core[WARM_UP:])),
        "whole tick of the guard": asdict(Distribution.of(whole[WARM_UP:])),
    }


def table(figures: dict[str, Any]) -> Table:
    """One row a measurement."""
    shown = Table(title=f"cost of {figures['ticks']} ticks, period 10 ms")
    for title in ("what", "p50 [ms]", "p95 [ms]", "p99 [ms]", "max [ms]"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    for name in ("filter and inverse kinematics", "whole tick of the guard"):
        values = (f"{1e3 * figures[name][key]:.3f}" for key in ("p50", "p95", "p99", "max"))
        shown.add_row(name, *values)
    return shown


def _circle(home: Array, times_s: Array) -> Array:
    """(H, 2) on a circle of 6 cm through home, at 0.15 m/s [m]."""
    phase = np.pi / 2 + 2.5 * np.maximum(times_s, 0)
    return home - [0, 0.06] + 0.06 * np.column_stack([np.cos(phase), np.sin(phase)])
