"""What the nodes that command the arm share: the emergency stop's topic and services."""

from __future__ import annotations

import uuid

from builtin_interfaces.msg import Time as TimeMsg
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from pushcell.arm.kinematics import ArmKinematics
from pushcell.geometry import Array
from pushcell.launcher.domain import Role
from pushcell.motion.emergency_stop import EmergencyStop
from pushcell_ros.base_node import CellNode
from pushcell_ros.conversions import command_message
from pushcell_ros.qos import EVERYBODY_LATCHED, RELIABLE
from pushcell_ros.stop_switches_node import STOP_TOPIC, StopSwitchesNode

_SWITCHES_RATE_HZ = 20.0


class CommandingNode(CellNode):
    """A node that commands the joints, and obeys the emergency stop."""

    role = Role.COMMANDER

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.kinematics = ArmKinematics(self.cell)
        # arm_node obeys one sender at a time: a second one must not share the arm.
        self._sender, self._number = str(uuid.uuid4()), 0
        self._commands = self.create_publisher(JointState, "arm/joint_command", RELIABLE)

    def command(self, stamp: TimeMsg, position: Array, velocity: Array) -> None:
        """Where the joints shall be at a time: (n,) [rad], (n,) [rad/s]."""
        self._number += 1
        joints = self.kinematics.joint_names
        message = command_message(stamp, joints, position, velocity, self._sender, self._number)
        self._commands.publish(message)

    def serve_stop(self, stop: EmergencyStop) -> None:
        """Pressed by safety/estop, engaged by safety/stop, released by safety/release alone."""
        self._switches = StopSwitchesNode(self)

        def look() -> None:
            for switch, pressed in self._switches.heard():
                stop.set_pressed(switch, pressed)

        def press(message: Bool) -> None:
            # At once; whose word it was is looked up by `look`.
            if message.data:
                stop.engage("it was pressed")

        def engage(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            stop.engage("it was asked for")
            response.success = True
            return response

        def release(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            look()
            refusal = stop.release(self._switches.living())
            response.success, response.message = refusal is None, refusal or ""
            return response

        self.create_subscription(Bool, STOP_TOPIC, press, EVERYBODY_LATCHED)
        self.create_service(Trigger, "safety/stop", engage)
        self.create_service(Trigger, "safety/release", release)
        self.every_steady(_SWITCHES_RATE_HZ, look)

    def close(self) -> None:
        """Listen to no switch any more."""
        self._switches.destroy_node()
