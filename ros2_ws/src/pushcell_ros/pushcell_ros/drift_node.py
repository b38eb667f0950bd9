"""Checks the reference boards before anything moves; ends the launch if one has moved."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.executors import Executor
from sensor_msgs.msg import Image
from std_msgs.msg import Bool

from calibration.boards import grey
from calibration.drift import Drift, DriftReference, measure_drift
from pushcell.cameras.calibrated import active_lens
from pushcell.errors import CalibrationError
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell_ros.base_node import OK, CellNode, run_node, wait_until
from pushcell_ros.conversions import to_image
from pushcell_ros.names import live
from pushcell_ros.params import CellParams, parameter
from pushcell_ros.qos import LATCHED, SENSOR_DATA

_IMAGE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class DriftParams(CellParams):
    """Parameters of ``drift_node``."""

    max_px: float = parameter(
        1.0, "allowed movement of a reference board in the image [px, RMS]", least=0.0
    )


class DriftNode(CellNode):
    """Checks each camera that has a reference once, then tells those who wait to move."""

    Params = DriftParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        super().__init__("drift_node")
        self._found: dict[str, object] = {}
        self._unmoved = self.create_publisher(Bool, "drift/unmoved", LATCHED)

    def spin(self, executor: Executor) -> None:
        """The check; raises CalibrationError where a camera, or its board, has moved."""
        for entry in self.cell.calibration:
            if entry.reference is not None:
                drift = self._check(executor, entry.camera, DriftReference.read(entry.reference))
                self._found[f"{entry.camera}_moved_px"] = f"{drift.moved_px:.2f}"
        self._unmoved.publish(Bool(data=True))
        super().spin(executor)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """What was found."""
        return OK, "cameras are where they were" if self._found else "looking", self._found

    def _check(self, executor: Executor, camera: str, reference: DriftReference) -> Drift:
        # A list of its own: a picture of the camera before may still be queued.
        images: list[Image] = []
        topic = live(IMAGE_TOPIC.format(camera))
        subscription = self.create_subscription(Image, topic, images.append, SENSOR_DATA)
        problem = f"no image on {topic} within {_IMAGE_TIMEOUT_S:.0f} s"
        wait_until(executor, lambda: bool(images), _IMAGE_TIMEOUT_S, problem)
        self.destroy_subscription(subscription)
        image = grey(to_image(images[-1]))
        drift = measure_drift(reference, image, active_lens(self.cell, camera))
        if drift.moved_px > self.params.max_px:
            raise CalibrationError(
                f"camera {camera}, or its reference board, has moved by {drift}, allowed are "
                f"{self.params.max_px:g} px: put it back, or calibrate it again"
            )
        self.get_logger().info(f"camera {camera}: {drift}")
        return drift


def main() -> None:
    """Run the node."""
    run_node(DriftNode)


if __name__ == "__main__":
    main()
