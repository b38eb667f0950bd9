"""Estimates the slider's pose with a fixed camera: by fiducials on its top, or by its outline."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from calibration.files import read_fiducials
from calibration.slider_pose import SliderEstimate, SliderFilter, SliderFinder
from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.errors import ConfigError
from pushcell.geometry import PlanarPose, Pose
from pushcell.labelling.appearance import SliderAppearance
from pushcell.labelling.outline_finder import OutlineFinder
from pushcell.labelling.smoothing import FLOOR
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell_ros.arriving_images import ArrivingImages
from pushcell_ros.base_node import OK, WARN, CellNode, run_node
from pushcell_ros.conversions import planar_estimate_message, pose_message, to_image, to_pose
from pushcell_ros.names import live
from pushcell_ros.params import CellParams, parameter
from pushcell_ros.qos import RELIABLE, SENSOR_DATA

_OLD_S = 0.5
_TICK_RATE_HZ = 100.0
_APART_S = 0.1  # of an image and the pusher's pose
_PUSHER_POSES = 100

Pixels = NDArray[np.uint8]
Finder = Callable[[Pixels, TimeMsg], SliderEstimate | None]


@dataclass(frozen=True)
class SliderParams(CellParams):
    """Parameters of ``slider_node``."""

    camera: str = parameter("overhead", "name of the camera that sees the slider")
    fiducials: str = parameter("", "path of the JSON file of the markers, see docs/calibration.md")
    appearance: str = parameter(
        "",
        "path of the slider's colours, written by pushcell label --appearance: find the slider by "
        "its outline, without markers",
    )


class SliderNode(CellNode):
    """Finds, filters, publishes."""

    Params = SliderParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        super().__init__("slider_node")
        camera = self.params.camera
        if self.cell.camera(camera).link != self.cell.arm.model.base_link:
            raise ConfigError(f"camera {camera} moves: the slider is seen by one on the base")
        self._pushers: deque[PoseStamped] = deque(maxlen=_PUSHER_POSES)
        self._finder = self._make_finder(camera)
        self._filter = SliderFilter()
        # The pose alone is what a simulated slider publishes too: policies and recorders take it.
        self._poses = self.create_publisher(PoseStamped, "slider/pose", RELIABLE)
        self._estimates = self.create_publisher(
            PoseWithCovarianceStamped, "slider/estimate", RELIABLE
        )
        if self.simulated_time:
            self._images = ArrivingImages(self, self.cell.camera(camera))
            self.every(_TICK_RATE_HZ, self._look)
        else:
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

    def _make_finder(self, camera: str) -> Finder:
        params, lens = self.params, active_lens(self.cell, camera)
        X_BaseCamera = active_pose(self.cell, camera)
        if bool(params.fiducials) == bool(params.appearance):
            raise ConfigError(
                "give either fiducials:=FILE (markers on the slider, see docs/calibration.md) or "
                "appearance:=FILE (its colours, which pushcell label --appearance writes)"
            )
        if params.fiducials:
            markers = SliderFinder(read_fiducials(Path(params.fiducials)), lens)
            return lambda image, stamp: markers.find(image, self.control_time(stamp), X_BaseCamera)
        appearance = SliderAppearance.load(Path(params.appearance))
        outline = OutlineFinder(appearance, self.cell, camera, lens, X_BaseCamera)
        self.create_subscription(PoseStamped, "pusher/pose", self._on_pusher, RELIABLE)
        return lambda image, stamp: self._find_outline(outline, image, stamp)

    def _find_outline(
        self, outline: OutlineFinder, image: Pixels, stamp: TimeMsg
    ) -> SliderEstimate | None:
        stamp_s = self.control_time(stamp)
        ages = [abs(self.control_time(p.header.stamp) - stamp_s) for p in self._pushers]
        if not ages or min(ages) > _APART_S:
            return None  # what the pusher and the arm hide is not known
        pusher = self._pushers[ages.index(min(ages))]
        fit = outline.find(image, to_pose(pusher))
        if fit is None:
            return None
        covariance = fit.covariance + np.diag(FLOOR**2)
        return SliderEstimate(stamp_s, PlanarPose.from_array(fit.pose), covariance)

    def _look(self) -> None:
        for image in self._images.take():
            self._on_image(image)

    def _on_pusher(self, message: PoseStamped) -> None:
        self._pushers.append(message)

    def _on_image(self, message: Image) -> None:
        try:
            image = to_image(message)
        except ValueError as error:
            self.get_logger().error(
                f"camera {self.params.camera}: {error}", throttle_duration_sec=1.0
            )
            return
        seen = self._finder(image, message.header.stamp)
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
