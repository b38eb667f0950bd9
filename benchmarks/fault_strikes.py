"""What a drill can do to the running graph; each makes a strike, or is one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from drake import lcmt_iiwa_command
from geometry_msgs.msg import PoseStamped, Transform
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray
from trajectory_msgs.msg import MultiDOFJointTrajectory, MultiDOFJointTrajectoryPoint

from benchmarks.drill import Drill
from benchmarks.rivals import LcmRival, MessageListener, Rival, changed
from pushcell.action_chunk import ActionChunk
from pushcell.config.arm import Ros2ControlLinkConfig
from pushcell.errors import PushcellError
from pushcell.geometry import PlanarPose, Pose
from pushcell.node_states import MotionNodeState
from pushcell_ros.conversions import (
    chunk_message,
    motion_state_message,
    pose_message,
    positions_message,
    to_sender,
    to_stamp,
)
from pushcell_ros.qos import LATCHED, RELIABLE

Strike = Callable[[Drill], None]

CUT_S = 1.0
STUTTERS, STUTTER_S, BETWEEN_S = 6, 0.08, 0.04
HUGE, HUGE_MESSAGES = 20_000, 5
# How far beside the arm's own a rival's joints are [rad].
_ASIDE_RAD = 0.3
_OTHER_ARM = [f"panda_joint{number}" for number in range(1, 8)]


# Processes


def kill(name: str) -> Strike:
    """kill -9."""
    return lambda drill: drill.kill(name)


def send(name: str, number: signal.Signals) -> Strike:
    """A signal."""
    return lambda drill: drill.signal(name, number)


def restart(name: str) -> Strike:
    """Killed, and started at once."""

    def strike(drill: Drill) -> None:
        drill.kill(name)
        drill.start(name)

    return strike


def hold(name: str, duration_s: float) -> Strike:
    """Stopped for a while of simulated time."""
    return lambda drill: drill.hold(name, duration_s)


def stutter(name: str) -> Strike:
    """Stopped again and again."""

    def strike(drill: Drill) -> None:
        for _ in range(STUTTERS):
            drill.hold(name, STUTTER_S)
            drill.run_simulated(BETWEEN_S)

    return strike


def freeze_cell(duration_s: float) -> Strike:
    """The arm and simulated time stop, for so long of steady time."""

    def strike(drill: Drill) -> None:
        drill.signal("cell_node", signal.SIGSTOP)
        drill.run(duration_s)
        drill.signal("cell_node", signal.SIGCONT)

    return strike


def second_policy(drill: Drill) -> None:
    """Another process of the policy; the fault begins when it is there."""
    drill.extra.append(drill.spawn("policy_node"))
    drill.wait_for(lambda: drill.node.count_publishers("/policy/chunk") > 1, 180.0, "a second one")
    drill.mark()


def load(drill: Drill) -> None:
    """A process that takes a core."""
    drill.extra.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
    drill.run(2.0)


# Wires


def can_cut(drill: Drill) -> bool:
    """Only root can, and only LCM's multicast."""
    return drill.lcm is not None and os.geteuid() == 0 and shutil.which("ip") is not None


def cut_link(drill: Drill) -> None:
    """Nothing goes to LCM's multicast address any more, for a while of simulated time."""
    address = f"{drill.lcm_address}/32"
    subprocess.run(["ip", "route", "add", "blackhole", address], check=True)
    try:
        until_s, deadline = drill.ros_s + CUT_S, time.monotonic() + 20 * CUT_S
        while drill.ros_s < until_s and time.monotonic() < deadline:
            drill.run(0.02)
    finally:
        subprocess.run(["ip", "route", "del", "blackhole", address], check=True)


# Operator and policy


def tell_policy(fault: str) -> Strike:
    """The exerciser breaks its contract."""
    return lambda drill: drill.set_fault(fault)


def deadman(held: bool | None) -> Strike:
    """What the operator says of it; None: nothing."""

    def strike(drill: Drill) -> None:
        drill.deadman = held

    return strike


def press_stop(drill: Drill) -> None:
    """The operator presses it."""
    drill.press_stop(True)


def jump_clock(by_s: float) -> Strike:
    """One message of another time on /clock."""
    return lambda drill: drill.jump_clock(by_s)


def two_switches(drill: Drill) -> None:
    """One is pressed, another says that it is not; a release is refused."""
    drill.join(Rival(drill.node, Bool, "/safety/estop", lambda: Bool(data=True), LATCHED))
    drill.run(0.1)
    for _ in range(5):
        drill.press_stop(False)
        drill.run(0.05)
    if drill.call("/safety/release").success:
        raise PushcellError("the stop was released while somebody pressed it")


# Rivals on the topics of the path


def rival_chunks(topic: str) -> Strike:
    """Another one sends the pusher to the left."""

    def strike(drill: Drill) -> None:
        def word() -> MultiDOFJointTrajectory:
            tip = drill.tips()[1][-1]
            times = drill.ros_s + np.arange(8) / 10
            chunk = ActionChunk(drill.ros_s, times, tip + np.outer(np.arange(8), [0.0, 0.02]))
            return chunk_message(chunk, to_stamp(drill.ros_s))

        drill.join(Rival(drill.node, MultiDOFJointTrajectory, topic, word, RELIABLE))

    return strike


def huge_chunks(drill: Drill) -> None:
    """Five messages that take long to read, of a source that was not selected."""
    left = HUGE_MESSAGES

    def word() -> MultiDOFJointTrajectory | None:
        nonlocal left
        left -= 1
        return _huge() if left >= 0 else None

    drill.join(Rival(drill.node, MultiDOFJointTrajectory, "/replay/chunk", word, RELIABLE))


@cache
def _huge() -> MultiDOFJointTrajectory:
    point = MultiDOFJointTrajectoryPoint(transforms=[Transform()])
    return MultiDOFJointTrajectory(points=[point] * HUGE)


def rival_joints(topic: str, same_sender: bool = False, other_arm: bool = False) -> Strike:
    """What is said on a topic of joints, said again with other joints, or of another arm."""

    def strike(drill: Drill) -> None:
        heard = MessageListener(drill.node, JointState, topic)
        drill.wait_for(lambda: heard.newest is not None, 5.0, topic)
        sender = to_sender(heard.newest)[0] if same_sender else "somebody else"
        names = _OTHER_ARM[: len(heard.newest.position)] if other_arm else None
        offset = 0.0 if other_arm else _ASIDE_RAD

        def word() -> JointState | None:
            return changed(heard.newest, offset, sender, names)

        try:
            drill.join(Rival(drill.node, JointState, topic, word, RELIABLE))
            drill.run_simulated(0.5)
        finally:
            heard.leave()

    return strike


def rival_deadman(held: bool) -> Strike:
    """Another one says that it is held when the operator lets go, or the other way round."""

    def strike(drill: Drill) -> None:
        word = Bool(data=held)
        drill.join(Rival(drill.node, Bool, "/safety/deadman", lambda: word, RELIABLE))
        drill.deadman = not held

    return strike


def rival_hand(drill: Drill) -> None:
    """Another one says that a person leads the pusher far away."""

    def word() -> PoseStamped:
        return pose_message(Pose.from_planar(PlanarPose(0.6, 0.3, 0.0)), to_stamp(drill.ros_s))

    drill.join(Rival(drill.node, PoseStamped, "/teleop/target", word, RELIABLE))


def rival_state(drill: Drill) -> None:
    """Another one says that nothing is selected."""
    state = MotionNodeState(
        source="hold", phase="holding", emergency_stop="released", require_deadman=False
    )
    word = motion_state_message(state)
    drill.join(Rival(drill.node, DiagnosticStatus, "/motion/state", lambda: word, RELIABLE))


def rival_on_the_link(drill: Drill) -> None:
    """Another one commands the arm itself."""
    link, joints = drill.cell.arm.link, drill.reports[-1][1]
    if isinstance(link, Ros2ControlLinkConfig):
        word = positions_message(joints)
        topic = link.command.topic
        drill.join(Rival(drill.node, Float64MultiArray, topic, lambda: word, RELIABLE))
        return
    command = lcmt_iiwa_command()
    command.num_joints, command.joint_position = len(joints), joints.tolist()
    data = command.encode()
    drill.join(LcmRival(drill.lcm, link.lcm.command_channel, lambda: data))
