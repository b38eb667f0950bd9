"""The simulated cameras: pictures of the cell's scene, in a process of their own.

Rendering takes longer than a period of the arm's wire; here it delays nobody, and its time
shows as a real camera's latency does: between capture stamp and arrival.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from builtin_interfaces.msg import Time as TimeMsg
from numpy.typing import NDArray
from rclpy.qos import qos_profile_sensor_data, qos_profile_system_default
from sensor_msgs.msg import CameraInfo, Image, JointState

from pushcell.config import CameraConfig
from pushcell.geometry import Array, Pose
from pushcell.recording.messages import optical_frame
from pushcell.simulation.live_view import LiveView
from pushcell.simulation.rendering import SceneRenderer
from pushcell.timing import Distribution, PeriodMonitor, steady_seconds
from pushcell.urgency import Urgency
from pushcell_ros.base_node import OK, WARN, CellNode, run_node
from pushcell_ros.board_params import BoardParams
from pushcell_ros.conversions import (
    camera_info_message,
    image_message,
    to_scene,
    to_seconds,
)
from pushcell_ros.params import parameter

_LIVE_VIEW_RATE_HZ = 20.0
_LENS_BLUR_PX = 0.8  # no lens is sharper, and finding corners needs it


@dataclass(frozen=True)
class RenderParams(BoardParams):
    """Parameters of ``render_node``, which draws the boards exactly where they are said to be."""

    live_view: bool = parameter(True, "show the cell on a web page on loopback")
    live_view_port: int = parameter(0, "the page's port; 0 takes the first free one")
    scale: int = parameter(1, "pictures are so many times as wide and high as the cell's cameras'")
    finer: int = parameter(1, "pictures are drawn so much larger, shrunk and blurred")


class Camera:
    """One camera's publishers and when it is due."""

    def __init__(self, node: CellNode, config: CameraConfig) -> None:
        self.config = config
        self.due_s = 0.0
        self.frames = PeriodMonitor()
        topic = f"/camera/{config.name}/color"
        qos = qos_profile_system_default
        self.image = node.create_publisher(Image, f"{topic}/image_raw", qos)
        self.info = node.create_publisher(CameraInfo, f"{topic}/camera_info", qos)

    @property
    def watched(self) -> bool:
        """Whether anybody wants the pictures."""
        return self.image.get_subscription_count() > 0


class RenderNode(CellNode):
    """Draws every camera from the newest scene when its period is over."""

    Params = RenderParams
    urgency = Urgency.PATIENT

    def __init__(self) -> None:
        super().__init__("render_node")
        self._renderer = SceneRenderer(
            self.cell, "target", list(self.params.boards(self.cell.arm.model).values())
        )
        scale = self.params.scale
        self._cameras = [
            Camera(self, camera.resized(scale * camera.width_px, scale * camera.height_px))
            for camera in self.cell.cameras
        ]
        self._scenes = PeriodMonitor()
        self._render_s: list[float] = []
        self._live_view: LiveView | None = None
        self._live_view_due_s = 0.0
        if self.params.live_view:
            self._live_view = LiveView(self.cell, self.params.live_view_port or None)
            self.get_logger().info(f"live view: {self._live_view.address}")
        self.create_subscription(JointState, "/cell/scene", self._on_scene, qos_profile_sensor_data)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Each camera's rate and what a picture costs."""
        cost, self._render_s = Distribution.of(self._render_s), []
        figures: dict[str, object] = {
            f"{camera.config.name}_rate_hz": f"{camera.frames.rate_hz():.1f}"
            for camera in self._cameras
        }
        figures["render_p50_ms"] = f"{1e3 * cost.p50:.1f}"
        figures["render_max_ms"] = f"{1e3 * cost.max:.1f}"
        if self._scenes.age(steady_seconds()) > 1.0:
            return WARN, "no pictures: the cell publishes no scene", figures
        return OK, "taking pictures", figures

    def due(self, camera: Camera, captured_s: float) -> bool:
        """Whether a camera's next picture is of this scene."""
        return _due(camera.due_s, captured_s)

    def rate_hz(self, camera: Camera) -> float:
        """How often a camera takes pictures."""
        return camera.config.rate_hz

    def _on_scene(self, message: JointState) -> None:
        self._scenes.tick(steady_seconds())
        captured_s = to_seconds(message.header.stamp)
        joints, slider = to_scene(message)
        for camera in self._cameras:
            if self.due(camera, captured_s):
                camera.due_s = _next_due(camera.due_s, captured_s, self.rate_hz(camera))
                if camera.watched:
                    self._take_picture(camera, message.header.stamp, joints, slider)
        if self._live_view and _due(self._live_view_due_s, captured_s):
            self._live_view_due_s = _next_due(self._live_view_due_s, captured_s, _LIVE_VIEW_RATE_HZ)
            self._live_view.show(joints, slider)

    def _draw(self, camera: CameraConfig, joints: Array, slider: Pose) -> NDArray[np.uint8]:
        finer = self.params.finer
        if finer == 1:
            return self._renderer.render(joints, slider, camera)
        size = camera.width_px, camera.height_px
        drawn = self._renderer.render(joints, slider, camera, (finer * size[0], finer * size[1]))
        shrunk = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(shrunk, (0, 0), _LENS_BLUR_PX), dtype=np.uint8)

    def _take_picture(self, camera: Camera, stamp: TimeMsg, joints: Array, slider: Pose) -> None:
        started = steady_seconds()
        image = self._draw(camera.config, joints, slider)
        self._render_s.append(steady_seconds() - started)
        camera.image.publish(image_message(image, optical_frame(camera.config.name), stamp))
        camera.info.publish(camera_info_message(camera.config, stamp))
        camera.frames.tick(steady_seconds())


def _due(due_s: float, now_s: float) -> bool:
    # Half a scene period of grace, so that rounding never skips a whole one.
    return now_s >= due_s - 0.005


def _next_due(due_s: float, now_s: float, rate_hz: float) -> float:
    """On the grid of the rate; a missed period is left out, not made up for."""
    following = due_s + 1.0 / rate_hz
    return following if following > now_s else now_s + 1.0 / rate_hz


def main() -> None:
    """Run the node."""
    run_node(RenderNode)


if __name__ == "__main__":
    main()
