"""The faults of the drill: what is done to the running graph, and what must come of each."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from benchmarks import fault_strikes as strikes
from benchmarks.drill import Drill
from benchmarks.fault_strikes import Strike

HELD_S = (0.06, 0.3, 0.5, 5.0)


@dataclass(frozen=True)
class FaultCase:
    """What is done to the running graph, and what must come of it."""

    name: str
    strike: Strike
    # Of the watchdog that must notice [s]; None where the motion may go on undisturbed.
    limit_s: float | None
    # What motion_node must say; "" where it cannot speak any more.
    reasons: tuple[str, ...]
    # Nothing of ours is left between it and its commands: how hard it stops is its own affair.
    arm_alone: bool = False


_CONFUSED = ("out_of_order", "command_silent", "observation_old")
_LOST = ("arm_status_old", "not_selected")
_SILENT = ("command_silent",)
# Who was held up long enough also finds the arm's reports old, or a chunk newer than its own time.
_HELD_UP = ("held_up", "stamp_ahead", *_LOST)
_FROZEN = (
    "arm_status_old",
    "command_silent",
    "not_selected",
    "deadman_released",
    "arm_off_command",
)
_JUMPED = ("clock_jumped", "arm_status_old", "not_selected", "command_silent", "deadman_released")


def faults(drill: Drill) -> list[FaultCase]:
    """All that can be struck here, with the watchdogs' limits of the cell."""
    found = [*_of_inputs(drill), *_rivals(drill), *_held(drill), *_of_processes(drill)]
    return [f for f in found if f.strike is not strikes.cut_link or strikes.can_cut(drill)]


def _of_processes(drill: Drill) -> list[FaultCase]:
    motion, arm = drill.cell.motion, drill.cell.arm
    silence, status, last = motion.command_silence_s, motion.arm_status_age_s, arm.command_silence_s
    unseen = _unseen_s(drill)
    kill, send, restart, stop = strikes.kill, strikes.send, strikes.restart, signal.SIGSTOP
    begun = ("", "not_selected", "emergency_stop")
    return [
        FaultCase("kill -9 policy", kill("policy_node"), silence, _SILENT),
        FaultCase("SIGSTOP policy", send("policy_node", stop), silence, _SILENT),
        FaultCase("restart policy", restart("policy_node"), silence, _SILENT),
        FaultCase("kill -9 motion", kill("motion_node"), last, ("",)),
        FaultCase("SIGSTOP motion", send("motion_node", stop), last, ("",)),
        FaultCase("restart motion", restart("motion_node"), last, begun),
        FaultCase("kill -9 arm node", kill("arm_node"), status, _LOST, arm_alone=True),
        FaultCase("SIGSTOP arm node", send("arm_node", stop), status, _LOST, arm_alone=True),
        FaultCase("restart arm node", restart("arm_node"), status, _LOST, arm_alone=True),
        FaultCase("SIGSTOP camera", send("render_node", stop), unseen, _SILENT),
        FaultCase("kill -9 camera", kill("render_node"), unseen, _SILENT),
        FaultCase("restart camera", restart("render_node"), unseen, _SILENT),
        # Nothing can be seen on the link while it is cut: at rest by then is what can be said.
        FaultCase("arm's link cut 1 s", strikes.cut_link, strikes.CUT_S, _LOST, arm_alone=True),
        FaultCase("kill -9 arm", kill("cell_node"), status, ("arm_status_old", "")),
        # The simulated camera draws late then, and what is computed from late images is refused.
        FaultCase(
            "one core loaded", strikes.load, None, ("none", "observation_old", "command_silent")
        ),
    ]


def _unseen_s(drill: Drill) -> float:
    """The exerciser falls silent when blind, after its own limit."""
    return 0.25 + drill.cell.motion.command_silence_s


def _held(drill: Drill) -> list[FaultCase]:
    """Stopped for a while, of simulated time where the process is not that time itself."""
    motion, unseen_s = drill.cell.motion, _unseen_s(drill)
    silence_s = drill.cell.arm.command_silence_s
    found = []
    for held_s in HELD_S:
        # What is sent again at 25 Hz may once come a little late.
        noticed = held_s > motion.command_silence_s
        felt = held_s > silence_s + motion.tick_s
        for said, node, limit_s, reasons in (
            ("policy", "policy_node", motion.command_silence_s if noticed else None, _SILENT),
            ("motion", "motion_node", held_s + silence_s if felt else None, _HELD_UP),
            ("arm node", "arm_node", held_s + motion.arm_status_age_s, (*_LOST, "arm_frozen")),
            ("camera", "render_node", unseen_s if noticed else None, _SILENT),
        ):
            allowed = reasons if limit_s is not None else ("none", *reasons)
            strike = strikes.hold(node, held_s)
            name, alone = f"SIGSTOP {said} {held_s:g} s", node == "arm_node"
            found.append(FaultCase(name, strike, limit_s, allowed, arm_alone=alone))
    # Simulated time stands still with the arm, so that nothing is late when it goes on.
    found += [
        FaultCase(f"SIGSTOP arm {s:g} s", strikes.freeze_cell(s), None, ("none", *_FROZEN))
        for s in (*HELD_S[:3], 1.0, HELD_S[3])
    ]
    times = f"{strikes.STUTTERS} x {1e3 * strikes.STUTTER_S:.0f} ms"
    all_s = strikes.STUTTERS * (strikes.STUTTER_S + strikes.BETWEEN_S)
    return found + [
        FaultCase(f"{said} stutters {times}", strikes.stutter(node), all_s, reasons, alone)
        for said, node, reasons, alone in (
            ("arm node", "arm_node", _LOST, True),
            ("motion", "motion_node", _HELD_UP, False),
        )
    ]


def _of_inputs(drill: Drill) -> list[FaultCase]:
    motion, tell = drill.cell.motion, strikes.tell_policy
    silence = motion.command_silence_s
    jump = strikes.jump_clock
    return [
        FaultCase("delayed commands", tell("delayed"), 0.1, ("observation_old", "out_of_order")),
        FaultCase("commands out of order", tell("out of order"), 0.1, ("out_of_order",)),
        FaultCase("NaN in a command", tell("not finite"), 0.05, ("not_finite",)),
        FaultCase("target 1 m away", tell("far target"), 0.05, ("target_outside",)),
        FaultCase("chunks stamped 10 s ahead", tell("from the future"), 0.05, ("stamp_ahead",)),
        FaultCase("one stamp, new content", tell("repeated stamp"), silence, _SILENT),
        FaultCase("duplicated commands", tell("duplicated"), None, ("none",)),
        FaultCase("deadman released", strikes.deadman(False), 0.05, ("deadman_released",)),
        FaultCase("deadman silent", strikes.deadman(None), motion.deadman_s, ("deadman_released",)),
        FaultCase("emergency stop", strikes.press_stop, 0.05, ("emergency_stop",)),
        FaultCase("two stop switches disagree", strikes.two_switches, 0.05, ("emergency_stop",)),
        FaultCase("clock back 10 s", jump(-10), None, ("none", *_JUMPED)),
        FaultCase("clock forward 10 s", jump(10), 0.05, _JUMPED),
    ]


def _rivals(drill: Drill) -> list[FaultCase]:
    """Somebody else speaks on a topic of the path.

    Not on the arm's own reports: by these the drill itself sees where the arm is.
    """
    other = strikes.rival_joints
    deadman, status_s = strikes.rival_deadman, drill.cell.motion.arm_status_age_s
    released = ("deadman_released",)
    noticed_s = 0.25  # how many publish is looked up at 20 Hz, once discovery tells
    return [
        FaultCase("two policies", strikes.second_policy, noticed_s, ("two_publishers", *_CONFUSED)),
        FaultCase(
            "rival policy/chunk",
            strikes.rival_chunks("/policy/chunk"),
            noticed_s,
            ("two_publishers", *_CONFUSED),
        ),
        FaultCase("rival replay/chunk", strikes.rival_chunks("/replay/chunk"), None, ("none",)),
        FaultCase("20,000 points on replay/chunk", strikes.huge_chunks, None, ("none", *_FROZEN)),
        FaultCase("rival teleop/target", strikes.rival_hand, noticed_s, ("first_target_jump",)),
        FaultCase("rival arm/joint_command", other("/arm/joint_command"), status_s, _LOST),
        FaultCase(
            "rival under motion_node's name",
            other("/arm/joint_command", same_sender=True),
            status_s,
            _LOST,
        ),
        FaultCase(
            "rival joint_states",
            other("/joint_states"),
            status_s,
            ("arm_off_command", "outside_workspace", *_LOST),
        ),
        FaultCase(
            "joint_states of another arm",
            other("/joint_states", other_arm=True),
            None,
            ("none", "other_joints", *_LOST),
        ),
        FaultCase("rival deadman: held", deadman(True), drill.cell.motion.deadman_s, released),
        FaultCase("rival deadman: released", deadman(False), 0.05, released),
        FaultCase("rival motion/state", strikes.rival_state, None, ("none", "command_silent", "")),
        FaultCase("rival on the arm's link", strikes.rival_on_the_link, 0.5, (*_LOST, ""), True),
    ]
