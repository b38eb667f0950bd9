"""The topics of a simulated arm under ros2_control: its broadcaster and its controller."""

from __future__ import annotations

import time
from collections.abc import Callable

from builtin_interfaces.msg import Time as TimeMsg
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from pushcell.config.arm import Ros2ControlLinkConfig, TrajectoryCommandConfig
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.controllers import SimulatedController
from pushcell.timing import steady_seconds
from pushcell_ros.conversions import joint_message, to_seconds
from pushcell_ros.qos import RELIABLE
from pushcell_ros.stamped_stream import take_in

# How long an answer may be on its way [s]; a driver that stops answering costs this once.
_ANSWER_S, _LOOK_AGAIN_S = 0.5, 0.0002


class SimulatedControllers:
    """Drives a world by what comes on the command's topic, and reports its joints.

    ``stamp`` tells the time of the next report.
    """

    def __init__(
        self, node: Node, world: ArmCell, link: Ros2ControlLinkConfig, stamp: Callable[[], TimeMsg]
    ) -> None:
        self._world, self._stamp = world, stamp
        self._joints = link.joints or world.joint_names
        self._controller = SimulatedController(world, self._joints)
        self._answered = self._answered_before = False
        self._states = node.create_publisher(JointState, link.state_topic, RELIABLE)
        command = link.command
        kind, on_command = Float64MultiArray, self._on_positions
        if isinstance(command, TrajectoryCommandConfig):
            kind, on_command = JointTrajectory, self._on_trajectory
        self._commands = node.create_subscription(kind, command.topic, on_command, RELIABLE)

    @property
    def refused(self) -> int:
        """How many commands were malformed."""
        return self._controller.refused

    def step(self) -> None:
        """Obey what came, let one period pass, report."""
        self._controller.step()
        position, velocity = self._world.joint_positions, self._world.joint_velocities
        torque = self._world.joint_torques
        self._answered_before, self._answered = self._answered, False
        self._states.publish(joint_message(self._stamp(), self._joints, position, velocity, torque))

    def hear(self) -> None:
        """Take the commands that came, and wait for the answer to the last report where the one
        before was answered: then the next step obeys it on a busy machine too."""
        take_in(self._commands)
        deadline_s = steady_seconds() + _ANSWER_S
        while self._answered_before and not self._answered and steady_seconds() < deadline_s:
            time.sleep(_LOOK_AGAIN_S)
            take_in(self._commands)

    def _on_positions(self, message: Float64MultiArray) -> None:
        self._answered = True
        self._controller.command(message.data)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        """Its last point, which is the only one that arm_node sends."""
        self._answered = True
        for point in message.points[-1:]:
            duration_s = to_seconds(point.time_from_start)
            self._controller.command(point.positions, message.joint_names, duration_s)
