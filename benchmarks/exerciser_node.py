"""A policy for drills: drives the pusher in a circle for as long as the overhead camera sees.

It keeps a policy's contract (timed chunks, stamped with the newest image, silent when blind) and
breaks it in the way that ``/exerciser/fault`` names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from pushcell.action_chunk import ActionChunk
from pushcell.geometry import Array
from pushcell_ros.base_node import CellNode, run_node
from pushcell_ros.conversions import chunk_message, status_values
from pushcell_ros.params import parameter

RADIUS_M, SPEED_M_S, RAMP_S = 0.06, 0.15, 0.8
RATE_HZ, ACTION_RATE_HZ, ACTIONS = 25.0, 10.0, 16
# A camera's period, its latency, and some: an image as old as this is no observation.
SILENT_WHEN_UNSEEN_S = 0.25


@dataclass(frozen=True)
class ExerciserParams:
    """Parameters of the exerciser."""

    cell: str = parameter("", "path of the cell's YAML file")


class Exerciser(CellNode):
    """Starts at the pusher's home whenever the policy is selected."""

    Params = ExerciserParams

    def __init__(self) -> None:
        super().__init__("policy_node")
        self._centre = np.array(self.cell.task.pusher_home_m) - [0.0, RADIUS_M]
        self._began_s: float | None = None
        self._image_s: float | None = None
        self._fault = ""
        self._misdated_s: float | None = None
        self._chunk: ActionChunk | None = None
        self._last: MultiDOFJointTrajectory | None = None
        self._chunks = self.create_publisher(MultiDOFJointTrajectory, "/policy/chunk", 10)
        self.create_subscription(DiagnosticStatus, "/motion/state", self._on_motion, 10)
        self.create_subscription(String, "/exerciser/fault", self._on_fault, 10)
        topic = "/camera/overhead/color/image_raw"
        self.create_subscription(Image, topic, self._on_image, qos_profile_sensor_data)
        self.every(RATE_HZ, self._tick)

    def _on_motion(self, message: DiagnosticStatus) -> None:
        selected = status_values(message)["source"] == "policy"
        if not selected:
            self._began_s = self._chunk = None
        elif self._began_s is None:
            self._began_s = self.now()

    def _on_fault(self, message: String) -> None:
        self._fault, self._misdated_s = message.data, None

    def _on_image(self, message: Image) -> None:
        self._image_s = self.control_time(message.header.stamp)

    def _tick(self) -> None:
        now = self.now()
        if (
            self._began_s is None
            or self._image_s is None
            or now - self._image_s > SILENT_WHEN_UNSEEN_S
        ):
            return
        if self._chunk is None or self._chunk.capture_s != self._image_s:
            times = now + np.arange(ACTIONS) / ACTION_RATE_HZ
            self._chunk = ActionChunk(self._image_s, times, self._circle(times - self._began_s))
        message = chunk_message(self._chunk, self.stamp(self._image_s))
        if self._fault in ("from the future", "repeated stamp"):
            message = self._misdated(now)
        if self._fault == "not finite":
            message.points[3].transforms[0].translation.x = float("nan")
        if self._fault == "far target":
            message.points[-1].transforms[0].translation.y += 1.0
        if self._fault == "delayed":
            message.header.stamp = self.stamp(self._image_s - 0.3)
        self._chunks.publish(message)
        if self._fault == "duplicated":
            self._chunks.publish(message)
        if self._fault == "out of order" and self._last is not None:
            self._chunks.publish(self._last)
            return
        self._last = message

    def _misdated(self, now: float) -> MultiDOFJointTrajectory:
        """The way from now on, as if computed from a picture of the future, or always of one."""
        if self._misdated_s is None:
            self._misdated_s = self._image_s + (10 if self._fault == "from the future" else 0)
        times = now + np.arange(ACTIONS) / ACTION_RATE_HZ
        chunk = ActionChunk(self._misdated_s, times, self._circle(times - self._began_s))
        return chunk_message(chunk, self.stamp(self._misdated_s))

    def _circle(self, elapsed_s: Array) -> Array:
        """(H, 2) positions on the circle; speed grows evenly during the ramp."""
        ramp = np.clip(elapsed_s, 0, RAMP_S)
        way = SPEED_M_S * (ramp**2 / (2 * RAMP_S) + np.maximum(elapsed_s - RAMP_S, 0))
        phase = np.pi / 2 + way / RADIUS_M
        return self._centre + RADIUS_M * np.column_stack([np.cos(phase), np.sin(phase)])


if __name__ == "__main__":
    run_node(Exerciser)
