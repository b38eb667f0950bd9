"""The fault drill: every fault on the running graph, and how the arm comes to rest after it.

The pusher moves at 0.15 m/s when the fault strikes. Time and way are measured on the arm's link, in
simulated time, from the last report before the fault to the first after which the tip rests.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks.drill import Drill
from benchmarks.fault_table import FaultCase, faults
from pushcell.errors import PushcellError
from pushcell.geometry import Array

REST_M_S = 0.005
REST_S = 0.1
ALLOWED_S = 0.3
WATCHED_S = 1.5
ATTEMPTS = 3
# A busy machine takes it; what is measured is simulated time, which waits.
PATIENCE_S = 2.0


@dataclass(frozen=True)
class FaultResult:
    """What came of one fault."""

    name: str
    to_standstill_s: float | None
    limit_s: float | None
    way_m: float
    reason: str
    violations: list[str]
    passed: bool


def run(cell: str = "sim", resume: str | None = None) -> dict[str, Any]:
    """Every fault once, but for those whose outcomes the file to resume holds."""
    log = None if resume is None else Path(resume)
    outcomes = [] if log is None or not log.exists() else list(map(json.loads, log.open()))
    with Drill(PATIENCE_S, cell) as drill:
        done = {outcome["name"] for outcome in outcomes}
        left = [fault for fault in faults(drill) if fault.name not in done]
        for fault in track(left, "faults"):
            outcomes.append(asdict(play(drill, fault)))
            if log is not None:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(outcomes[-1]) + "\n")
    return {"cell": cell, "outcomes": outcomes, "passed": sum(o["passed"] for o in outcomes)}


def table(figures: dict[str, Any]) -> Table:
    """One row a fault."""
    outcomes = figures["outcomes"]
    shown = Table(title=f"fault drill: {figures['passed']} of {len(outcomes)} as they must be")
    for title in ("fault", "noticed within [ms]", "at rest after [ms]", "way [mm]", "reason", ""):
        shown.add_column(title, justify="left" if title in ("fault", "reason") else "right")
    for row in outcomes:
        rest, limit = row["to_standstill_s"], row["limit_s"]
        shown.add_row(
            row["name"],
            "-" if limit is None else f"{1e3 * limit:.0f}",
            "moves on" if rest is None else f"{1e3 * rest:.0f}",
            f"{1e3 * row['way_m']:.1f}",
            row["reason"] or "(cannot speak)",
            "[green]ok[/]" if row["passed"] else f"[red]{'; '.join(row['violations']) or 'bad'}[/]",
        )
    return shown


def good(figures: dict[str, Any]) -> bool:
    """Whether every fault ended as it must."""
    return bool(figures["passed"] == len(figures["outcomes"]))


def play(drill: Drill, fault: FaultCase) -> FaultResult:
    """Strike one fault while the pusher moves, and measure."""
    _be_moving(drill)
    drill.mark()
    drill.motion.clear()
    fault.strike(drill)
    drill.run_simulated(WATCHED_S + (fault.limit_s or 0))
    times, tips = drill.tips()
    struck = drill.struck
    rest = _rest_index(times, tips, struck)
    violations = [] if fault.arm_alone else _violations(drill, times, tips)
    reason = drill.motion.get("reason", "")
    to_rest = None if rest is None else float(times[rest] - times[struck])
    in_time = fault.limit_s is None or _soon(to_rest, fault.limit_s)
    # Whatever ends the motion has a name.
    named = to_rest is None or reason != "none"
    moved = tips[struck : None if rest is None else rest + 1]
    return FaultResult(
        name=fault.name,
        to_standstill_s=to_rest,
        limit_s=fault.limit_s,
        way_m=float(np.linalg.norm(np.diff(moved, axis=0), axis=1).sum()),
        reason=reason,
        violations=violations,
        passed=in_time and reason in fault.reasons and not violations and named,
    )


def _be_moving(drill: Drill) -> None:
    """The pusher moves, and has for a while; on a busy machine not at the first attempt."""
    for _ in range(ATTEMPTS):
        drill.set_moving()
        drill.watch_anew(0.3)
        if drill.motion["phase"] == "moving":
            return
    raise PushcellError(
        f"the pusher stopped before the fault ({drill.motion['reason']}): the machine is too busy "
        "for a drill; run it on a quiet one"
    )


def _soon(to_rest_s: float | None, limit_s: float) -> bool:
    return to_rest_s is not None and to_rest_s <= limit_s + ALLOWED_S


def _rest_index(times: Array, tips: Array, struck: int) -> int | None:
    """The first report after the strike from which on the tip rests; None if it never does."""
    if times[-1] - times[struck] < REST_S:
        return len(times) - 1  # the arm itself is gone
    speeds = np.linalg.norm(np.diff(tips, axis=0), axis=1) / np.diff(times)
    moving = np.flatnonzero(speeds[struck:] > REST_M_S)
    last = struck + (moving[-1] if len(moving) else 0) + 1
    return int(last) if times[-1] - times[last] >= REST_S else None


def _violations(drill: Drill, times: Array, tips: Array) -> list[str]:
    """What the measured arm did beyond its limits; over 20 ms, so that no sample's noise counts."""
    cell = drill.cell
    joints = np.array([q for _, q in drill.reports])
    grid = np.arange(times[0], times[-1], 0.02)
    if len(grid) < 3:
        return []
    tip = np.column_stack([np.interp(grid, times, tips[:, i]) for i in range(2)])
    q = np.column_stack([np.interp(grid, times, joints[:, i]) for i in range(joints.shape[1])])
    speed = np.linalg.norm(np.diff(tip, axis=0), axis=1).max() / 0.02
    joint_speed = np.abs(np.diff(q, axis=0)).max(axis=0) / 0.02
    joint_acceleration = np.abs(np.diff(q, 2, axis=0)).max(axis=0) / 0.02**2
    limits = cell.arm
    found = [
        ("workspace [m]", cell.workspace.polygon.excess(tip).max(), 0.0),
        ("speed [m/s]", speed, cell.motion.policy.speed_m_s),
        ("joint speed, share", (joint_speed / limits.joint_velocity_limits_rad_s).max(), 1.0),
        (
            "joint acceleration, share",
            (joint_acceleration / limits.joint_acceleration_limits_rad_s2).max(),
            1.0,
        ),
    ]
    return [f"{name} {value:.3g}" for name, value, limit in found if value > limit]
