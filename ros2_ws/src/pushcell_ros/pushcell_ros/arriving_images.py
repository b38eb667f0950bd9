"""A simulated camera's images, each from its camera's latency after its capture on."""

from __future__ import annotations

from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from pushcell.config.cell import CameraConfig
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell_ros.base_node import CellNode
from pushcell_ros.conversions import to_nanoseconds
from pushcell_ros.names import live
from pushcell_ros.qos import SENSOR_DATA
from pushcell_ros.stamped_stream import StampedStream


class ArrivingImages:
    """Of one camera, for a node that acts in simulated time."""

    def __init__(self, node: CellNode, camera: CameraConfig) -> None:
        self._node, self._rate_hz = node, camera.rate_hz
        topic, period_ns = live(IMAGE_TOPIC.format(camera.name)), round(1e9 / camera.rate_hz)
        self._stream = StampedStream(node, Image, topic, SENSOR_DATA, period_ns)

    @property
    def subscription(self) -> Subscription:
        """That they come by."""
        return self._stream.subscription

    def take(self) -> list[Image]:
        """Those that have arrived by now and were not taken yet, the oldest first."""
        simulated = self._node.cell.simulated
        latest_ns = to_nanoseconds(self._node.stamp()) - simulated.camera_latency_ns
        return self._stream.until(simulated.capture_before_ns(self._rate_hz, latest_ns))
