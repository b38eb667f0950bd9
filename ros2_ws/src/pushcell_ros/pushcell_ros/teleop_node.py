"""Reads the operator's input devices; publishes ``/teleop/target`` and the operator's deadman."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.node_states import DevicesState, DeviceState
from pushcell.processes.priority import ProcessPriority
from pushcell.timing import Distribution, steady_seconds
from pushcell_ros.base_node import OK, WARN, CellNode, run_node
from pushcell_ros.conversions import pose_message, to_seconds
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import LATCHED, NEWEST, RELIABLE
from teleop.actions import ACTIONS
from teleop.device_arbiter import DeviceArbiter
from teleop.devices.open_devices import open_devices
from teleop.devices.pad import PadDevice
from teleop.devices.pad_map import told_name
from teleop.devices.pointer import BROWSER_TOPIC, PointerDevice
from teleop.devices.reading import DeviceReading
from teleop.table_target import TableTarget

_RATE_HZ = 50.0
_STATE_RATE_HZ = 5.0
# A release is said more than once, in case a message is lost; silence says it too, but later.
_RELEASES = 3
_LONGEST_STEP_S = 0.1


@dataclass(frozen=True)
class TeleopParams:
    """Parameters of ``teleop_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    devices: str = parameter(
        "browser keyboard page_gamepad",
        "names of devices or paths of map files, separated by spaces",
    )


class TeleopNode(CellNode):
    """Says where the person wants the pusher, at once and again at least 20 times a second."""

    Params = TeleopParams
    priority = ProcessPriority.REAL_TIME

    def __init__(self) -> None:
        super().__init__("teleop_node")
        self._arbiter = DeviceArbiter(open_devices(self.params.devices, self.cell))
        self._mapping = TableTarget(self.cell)
        self._tip: Array | None = None
        self._said_s = steady_seconds()
        self._reading_s = -float("inf")
        self._given = TimeMsg()
        self._releases = 0
        self._target = self.create_publisher(PoseStamped, "teleop/target", RELIABLE)
        self._deadman = self.create_publisher(Bool, "safety/deadman", RELIABLE)
        self._state = self.create_publisher(String, "teleop/state", LATCHED)
        self._actions = {
            name: self.create_client(Trigger, live(action.service))
            for name, action in ACTIONS.items()
        }
        self._ages: list[float] = []
        self.create_subscription(PoseStamped, "motion/target", self._on_tip, NEWEST)
        for device in self._arbiter.devices:
            if isinstance(device, PointerDevice):
                self.create_subscription(
                    Joy, live(BROWSER_TOPIC), self._pointer_listener(device), RELIABLE
                )
            elif isinstance(device, PadDevice) and device.pad.topic:
                self.create_subscription(
                    Joy, live(device.pad.topic), self._pad_listener(device), RELIABLE
                )
        self.every_steady(_RATE_HZ, self._drive)
        self.every_steady(_STATE_RATE_HZ, self._publish_state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Which devices are there, who drives, and how long a message took to get here."""
        ages, self._ages = Distribution.of(self._ages), []
        connected = [device.name for device in self._arbiter.devices if device.connected]
        driver = self._arbiter.driver
        figures: dict[str, object] = {
            "connected": " ".join(connected) or "none",
            "driver": "nobody" if driver is None else driver.name,
            "hop_p50_ms": f"{1e3 * ages.p50:.2f}",
            "hop_max_ms": f"{1e3 * ages.max:.2f}",
        }
        problems = [f"{d.name}: {d.problem}" for d in self._arbiter.devices if d.problem]
        if problems:
            return WARN, "; ".join(problems), figures
        return (OK, "ready", figures) if connected else (WARN, "no device is connected", figures)

    def close(self) -> None:
        """Give the devices back."""
        for device in self._arbiter.devices:
            device.close()

    def _pointer_listener(self, device: PointerDevice) -> Callable[[Joy], None]:
        def hear(message: Joy) -> None:
            place = np.array(message.axes) if len(message.axes) == 2 else None
            device.hear(steady_seconds(), bool(message.buttons and message.buttons[0]), place)
            self._heard(message)

        return hear

    def _pad_listener(self, device: PadDevice) -> Callable[[Joy], None]:
        def hear(message: Joy) -> None:
            name = told_name(message.header.frame_id)
            device.hear(steady_seconds(), message.axes, message.buttons, name)
            self._heard(message)

        return hear

    def _heard(self, message: Joy) -> None:
        if not self.simulated_time:
            self._ages.append(to_seconds(self.stamp()) - to_seconds(message.header.stamp))
        self._drive()

    def _on_tip(self, message: PoseStamped) -> None:
        self._tip = np.array([message.pose.position.x, message.pose.position.y])

    def _drive(self) -> None:
        now_s, driver = steady_seconds(), self._arbiter.driver
        step_s, self._said_s = min(now_s - self._said_s, _LONGEST_STEP_S), now_s
        reading, asked = self._arbiter.read(now_s)
        for action in asked:
            self._ask(action)
        if self._arbiter.driver is not driver:
            self._mapping.begin()
            self._publish_state()
        if reading is not None:
            self._releases = _RELEASES
            self._deadman.publish(Bool(data=True))
            self._publish_target(reading, step_s)
        elif self._releases:
            # Then silence: somebody else may hold a deadman of another kind.
            self._releases -= 1
            self._deadman.publish(Bool(data=False))

    def _publish_target(self, reading: DeviceReading, step_s: float) -> None:
        if self._tip is None:
            return
        target = self._mapping.follow(reading, self._tip, step_s)
        if target is None:
            return
        if reading.stamp_s > self._reading_s:
            # Said again, it keeps the time at which the person gave it.
            self._reading_s, self._given = reading.stamp_s, self.stamp(self.now())
        x, y = (float(value) for value in target)
        height_m = self.cell.pusher.tip_height_m
        pose = Pose.from_planar(PlanarPose(x, y, 0.0), height_m)
        self._target.publish(pose_message(pose, self._given))

    def _ask(self, action: str) -> None:
        client = self._actions[action]
        if not client.service_is_ready():
            self.get_logger().warning(f"{ACTIONS[action].service} is not there")
            return
        answer = client.call_async(Trigger.Request())
        answer.add_done_callback(lambda done: self._on_answer(action, done.result()))

    def _on_answer(self, action: str, answer: Trigger.Response) -> None:
        if not answer.success:
            self.get_logger().warning(f"{ACTIONS[action].label}: {answer.message}")

    def _publish_state(self) -> None:
        driver = self._arbiter.driver
        state = DevicesState(
            driver=None if driver is None else driver.name,
            devices=tuple(
                DeviceState(
                    name=device.name,
                    title=device.title,
                    connected=device.connected,
                    problem=device.problem,
                    buttons=device.buttons,
                )
                for device in self._arbiter.devices
            ),
        )
        self._state.publish(String(data=state.text()))


def main() -> None:
    """Run the node."""
    run_node(TeleopNode)


if __name__ == "__main__":
    main()
