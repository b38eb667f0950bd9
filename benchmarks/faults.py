"""The fault drill: every fault on the running graph, and how the arm comes to rest after it.

The pusher moves at 0.15 m/s when the fault strikes. Time and way are measured on the arm's wire, in
simulated time, from the last report before the fault to the first after which the tip rests.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks.drill import Drill
from pushcell.errors import PushcellError
from pushcell.geometry import Array

REST_M_S = 0.005
REST_S = 0.1
ALLOWED_S = 0.3
WATCHED_S = 1.5
ATTEMPTS = 3
PATIENCE_S = 0.1
CUT_S = 1.0


@dataclass(frozen=True)
class Fault:
    """What is done to the running graph, and what must come of it."""

    name: str
    strike: Callable[[Drill], None]
    # Of the watchdog that must notice [s]; None where the motion may go on undisturbed.
    limit_s: float | None
    # What motion_node must say; "" where it cannot speak any more.
    reasons: tuple[str, ...]
    # Nothing of ours is left between it and its commands: how hard it stops is its own affair.
    arm_alone: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of one fault."""

    name: str
    to_standstill_s: float | None
    limit_s: float | None
    way_m: float
    reason: str
    violations: list[str]
    passed: bool


def faults(drill: Drill) -> list[Fault]:
    """All faults, with the watchdogs' limits of the cell."""
    motion, arm = drill.cell.motion, drill.cell.arm
    silence, status, last = motion.command_silence_s, motion.arm_status_age_s, arm.command_silence_s
    # The exerciser falls silent when blind, after its own limit.
    blind = 0.25 + silence
    stopped = signal.SIGSTOP
    return [
        Fault("kill -9 policy", lambda d: d.kill("policy_node"), silence, ("command_silent",)),
        Fault("SIGSTOP policy", _signal("policy_node", stopped), silence, ("command_silent",)),
        Fault("restart policy", _restart("policy_node"), silence, ("command_silent",)),
        Fault("kill -9 motion", lambda d: d.kill("motion_node"), last, ("",)),
        Fault("SIGSTOP motion", _signal("motion_node", stopped), last, ("",)),
        Fault(
            "restart motion", _restart("motion_node"), last, ("", "not_selected", "emergency_stop")
        ),
        Fault("kill -9 arm node", lambda d: d.kill("arm_node"), status, _LOST, arm_alone=True),
        Fault("SIGSTOP arm node", _signal("arm_node", stopped), status, _LOST, arm_alone=True),
        Fault("restart arm node", _restart("arm_node"), status, _LOST, arm_alone=True),
        Fault("SIGSTOP camera", _signal("render_node", stopped), blind, ("command_silent",)),
        Fault("kill -9 camera", lambda d: d.kill("render_node"), blind, ("command_silent",)),
        Fault("restart camera", _restart("render_node"), blind, ("command_silent",)),
        # Nothing can be seen on the wire while it is cut: at rest by then is what can be said.
        Fault("arm's wire cut 1 s", _cut_wire, CUT_S, _LOST, arm_alone=True),
        # Simulated time stands still with the cell, so that nothing is late when it goes on.
        Fault("SIGSTOP arm 1 s", _freeze_cell, None, ("none", *_FROZEN)),
        Fault("kill -9 arm", lambda d: d.kill("cell_node"), status, ("arm_status_old", "")),
        Fault("delayed commands", _fault("delayed"), 0.1, ("observation_old", "out_of_order")),
        Fault("commands out of order", _fault("out of order"), 0.1, ("out_of_order",)),
        Fault("NaN in a command", _fault("not finite"), 0.05, ("not_finite",)),
        Fault("target 1 m away", _fault("far target"), 0.05, ("target_outside",)),
        # Starting a second one takes a second, and may keep the camera waiting.
        Fault("two policies", _second_policy, 2.0, ("two_publishers", *_CONFUSED)),
        Fault("deadman released", _deadman(False), 0.05, ("deadman_released",)),
        Fault("deadman silent", _deadman(None), motion.deadman_s, ("deadman_released",)),
        Fault("emergency stop", lambda d: d.press_stop(True), 0.05, ("emergency_stop",)),
        Fault("clock back 10 s", lambda d: d.jump_clock(-10), None, ("none", *_JUMPED)),
        Fault("clock forward 10 s", lambda d: d.jump_clock(10), 0.05, _JUMPED),
        Fault("duplicated commands", _fault("duplicated"), None, ("none",)),
        # The simulated camera draws late then, and what is computed from late images is refused.
        Fault("one core loaded", _load, None, ("none", "observation_old", "command_silent")),
    ]


_CONFUSED = ("out_of_order", "command_silent", "observation_old")
_LOST = ("arm_status_old", "not_selected")
_FROZEN = (
    "arm_status_old",
    "command_silent",
    "not_selected",
    "deadman_released",
    "arm_off_command",
)
_JUMPED = ("clock_jumped", "arm_status_old", "not_selected", "command_silent", "deadman_released")


def run() -> dict[str, Any]:
    """Every fault once."""
    with Drill(PATIENCE_S) as drill:
        possible = [fault for fault in faults(drill) if fault.strike is not _cut_wire or _can_cut()]
        outcomes = [asdict(play(drill, fault)) for fault in track(possible, "faults")]
    return {"outcomes": outcomes, "passed": sum(o["passed"] for o in outcomes)}


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


def play(drill: Drill, fault: Fault) -> Outcome:
    """Strike one fault while the pusher moves, and measure."""
    _be_moving(drill)
    struck = len(drill.wire) - 1
    drill.motion.clear()
    fault.strike(drill)
    drill.run_simulated(WATCHED_S + (fault.limit_s or 0))
    times, tips = drill.tips()
    rest = _rest_index(times, tips, struck)
    violations = [] if fault.arm_alone else _violations(drill, times, tips)
    reason = drill.motion.get("reason", "")
    to_rest = None if rest is None else float(times[rest] - times[struck])
    in_time = fault.limit_s is None or _soon(to_rest, fault.limit_s)
    moved = tips[struck : None if rest is None else rest + 1]
    return Outcome(
        name=fault.name,
        to_standstill_s=to_rest,
        limit_s=fault.limit_s,
        way_m=float(np.linalg.norm(np.diff(moved, axis=0), axis=1).sum()),
        reason=reason,
        violations=violations,
        passed=in_time and reason in fault.reasons and not violations,
    )


def _be_moving(drill: Drill) -> None:
    """The pusher moves, and has for a while; on a busy machine not at the first attempt."""
    for _ in range(ATTEMPTS):
        drill.set_moving()
        drill.wire.clear()
        drill.run(0.3)
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
    joints = np.array([q for _, q in drill.wire])
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


def _signal(name: str, number: signal.Signals) -> Callable[[Drill], None]:
    return lambda drill: drill.signal(name, number)


def _fault(name: str) -> Callable[[Drill], None]:
    return lambda drill: drill.set_fault(name)


def _restart(name: str) -> Callable[[Drill], None]:
    def strike(drill: Drill) -> None:
        drill.kill(name)
        drill.start(name)

    return strike


def _deadman(held: bool | None) -> Callable[[Drill], None]:
    def strike(drill: Drill) -> None:
        drill.deadman = held

    return strike


def _can_cut() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None


def _cut_wire(drill: Drill) -> None:
    """Nothing goes to LCM's multicast address any more; only root can do that."""
    address = f"{drill.lcm_address}/32"
    subprocess.run(["ip", "route", "add", "blackhole", address], check=True)
    try:
        drill.run(CUT_S)
    finally:
        subprocess.run(["ip", "route", "del", "blackhole", address], check=True)


def _freeze_cell(drill: Drill) -> None:
    drill.signal("cell_node", signal.SIGSTOP)
    drill.run(1.0)
    drill.signal("cell_node", signal.SIGCONT)


def _second_policy(drill: Drill) -> None:
    drill.extra.append(drill.spawn("policy_node"))


def _load(drill: Drill) -> None:
    drill.extra.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
    drill.run(2.0)
