"""Estimates the slider's pose from fiducials on its top, with a camera on the base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from sensor_msgs.msg import Image

from calibration.files import read_fiducials
from calibration.slider_pose import SliderEstimate, SliderFilter, SliderFinder
from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.errors import ConfigError
from pushcell.geometry import Pose
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell_ros.base_node import OK, WARN, CellNode, run_node
from pushcell_ros.conversions import planar_estimate_message, pose_message, to_image
from pushcell_ros.names import live
from pushcell_ros.params import CellParams, parameter
from pushcell_ros.qos import RELIABLE, SENSOR_DATA

_OLD_S = 0.5


@dataclass(frozen=True)
class SliderParams(CellParams):
    """Parameters of ``slider_node``."""

    camera: str = parameter("overhead", "name of the camera that sees the slider")
    fiducials: str = parameter("", "path of the JSON file of the markers, see docs/calibration.md")


class SliderNode(CellNode):
    """Finds, filters, publishes."""

    Params = SliderParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        super().__init__("slider_node")
        camera = self.params.camera
        if self.cell.camera(camera).link != self.cell.arm.model.base_link:
            raise ConfigError(f"camera {camera} moves: the slider is seen by one on the base")
        fiducials = read_fiducials(Path(self.params.fiducials))
        self._finder = SliderFinder(fiducials, active_lens(self.cell, camera))
        self._pose = active_pose(self.cell, camera)
        self._filter = SliderFilter()
        # The pose alone is what a simulated slider publishes too: policies and recorders take it.
        self._poses = self.create_publisher(PoseStamped, "slider/pose", RELIABLE)
        self._estimates = self.create_publisher(
            PoseWithCovarianceStamped, "slider/estimate", RELIABLE
        )
        topic = live(IMAGE_TOPIC.format(camera))
        self.create_subscription(Image, topic, self._on_image, SENSOR_DATA)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How old and how sure the pose is."""
        known = self._filter.estimate
        if known is None:
            return WARN, "the slider was not seen yet", {}
        age_s = known.age_s(self.now())
        figures = {
            "age_s": f"{age_s:.3f}",
            "deviation_mm": f"{1e3 * known.covariance[0, 0] ** 0.5:.2f}",
            "refused": self._filter.refused,
        }
        if age_s > _OLD_S:
            return WARN, "the slider is not seen", figures
        return OK, "the slider is seen", figures

    def _on_image(self, message: Image) -> None:
        stamp_s = self.control_time(message.header.stamp)
        seen = self._finder.find(to_image(message), stamp_s, self._pose)
        if seen is not None:
            self._publish(self._filter.add(seen))

    def _publish(self, estimate: SliderEstimate) -> None:
        # Stamped with the image's time: its age is told by that.
        stamp = self.stamp(estimate.stamp_s)
        self._poses.publish(pose_message(Pose.from_planar(estimate.pose), stamp))
        self._estimates.publish(planar_estimate_message(estimate.pose, estimate.covariance, stamp))


def main() -> None:
    """Run the node."""
    run_node(SliderNode)


if __name__ == "__main__":
    main()
