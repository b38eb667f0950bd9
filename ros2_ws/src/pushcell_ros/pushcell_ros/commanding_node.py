"""What the nodes that command the arm share: the emergency stop's topic and services."""

from __future__ import annotations

from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from pushcell.motion.emergency_stop import EmergencyStop
from pushcell_ros.base_node import CellNode
from pushcell_ros.qos import LATCHED


class CommandingNode(CellNode):
    """A node that obeys the emergency stop."""

    def serve_stop(self, stop: EmergencyStop) -> None:
        """Pressed by /safety/estop, engaged by /safety/stop, released by /safety/release alone."""

        def press(message: Bool) -> None:
            stop.set_pressed(message.data)

        def engage(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            stop.engage("it was asked for")
            response.success = True
            return response

        def release(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            refusal = stop.release()
            response.success, response.message = refusal is None, refusal or ""
            return response

        self.create_subscription(Bool, "safety/estop", press, LATCHED)
        self.create_service(Trigger, "safety/stop", engage)
        self.create_service(Trigger, "safety/release", release)
