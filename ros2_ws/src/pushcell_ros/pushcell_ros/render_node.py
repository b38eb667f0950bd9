"""Renders the simulated cameras' images in a separate process.

An image arrives ``simulation.camera_latency_s`` after its capture, as with a real camera.
Simulated time advances until then while the image is rendered, and waits if that takes longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from builtin_interfaces.msg import Time as TimeMsg
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, JointState

from pushcell.bags.messages import optical_frame
from pushcell.cameras.calibrated import active_lens
from pushcell.config.cell import CameraConfig
from pushcell.geometry import Array, Pose
from pushcell.processes.priority import ProcessPriority
from pushcell.simulation.live_view import LiveView
from pushcell.simulation.rendering import SceneRenderer
from pushcell.timing import Distribution, PeriodMonitor, steady_seconds
from pushcell_ros.base_node import OK, CellNode, run_node
from pushcell_ros.board_params import BoardParams
from pushcell_ros.conversions import (
    image_message,
    lens_message,
    to_nanoseconds,
    to_scene,
)
from pushcell_ros.params import parameter
from pushcell_ros.qos import RELIABLE, SENSOR_SOURCE
from pushcell_ros.stamped_stream import StampedStream

_LIVE_VIEW_RATE_HZ = 20.0
_LENS_BLUR_PX = 0.8  # no lens is sharper, and finding corners needs it


@dataclass(frozen=True)
class RenderParams(BoardParams):
    """Parameters of ``render_node``, which draws the boards exactly where they are said to be."""

    live_view: bool = parameter(True, "show the cell on a web page on loopback")
    live_view_port: int = parameter(
        0, "port of the page; 0: the first free port", least=0, most=65535
    )
    scale: float = parameter(
        1.0,
        "scale of the images, relative to the size in the cell file",
        least=0.1,
        most=10.0,
    )
    finer: int = parameter(1, "supersampling factor of the images", least=1, most=16)


class RenderedCamera:
    """One camera's publishers."""

    def __init__(self, node: CellNode, config: CameraConfig) -> None:
        self.config = config
        self.frames = PeriodMonitor()
        topic = f"camera/{config.name}/color"
        qos = SENSOR_SOURCE
        self.image = node.create_publisher(Image, f"{topic}/image_raw", qos)
        # The calibration in force, also where it is not what the picture is drawn by.
        size = config.width_px, config.height_px
        self.lens = lens_message(active_lens(node.cell, config.name).resized(size), config.name)
        self.info = node.create_publisher(CameraInfo, f"{topic}/camera_info", qos)

    @property
    def watched(self) -> bool:
        """Whether anybody wants the pictures."""
        return self.image.get_subscription_count() > 0


class RenderNode(CellNode):
    """Draws every camera from the newest scene, at its rate."""

    Params = RenderParams
    priority = ProcessPriority.LOW
    phase_ns = 0

    def __init__(self) -> None:
        super().__init__("render_node")
        self._renderer = SceneRenderer(
            self.cell, "target", list(self.params.boards(self.cell.arm.model).values())
        )
        scale = self.params.scale
        self._cameras = [
            RenderedCamera(
                self, camera.resized(*(round(scale * side_px) for side_px in camera.size_px))
            )
            for camera in self.cell.cameras
        ]
        self._render_s: list[float] = []
        period_ns = round(1e9 / self.cell.simulated.state_rate_hz)
        self._stream = StampedStream(self, JointState, "cell/scene", RELIABLE, period_ns)
        self._live_view: LiveView | None = None
        if self.params.live_view:
            self._live_view = LiveView(self.cell, self.params.live_view_port or None)
            self.get_logger().info(f"live view: {self._live_view.address}")
        for camera in self._cameras:
            self.every(camera.config.rate_hz, partial(self._capture, camera))
        if self._live_view:
            self.every(_LIVE_VIEW_RATE_HZ, self._show)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Each camera's rate and what a picture costs."""
        cost, self._render_s = Distribution.of(self._render_s), []
        figures: dict[str, object] = {
            f"{camera.config.name}_rate_hz": f"{camera.frames.rate_hz():.1f}"
            for camera in self._cameras
        }
        figures["render_p50_ms"] = f"{1e3 * cost.p50:.1f}"
        figures["render_max_ms"] = f"{1e3 * cost.max:.1f}"
        return OK, "taking pictures", figures

    def wanted(self, camera: RenderedCamera) -> bool:
        """Whether a camera that is due takes a picture."""
        return camera.watched

    def _scene(self) -> JointState | None:
        """The last state of the cell up to now."""
        now_ns = to_nanoseconds(self.stamp())
        return self._stream.newest(self.cell.simulated.state_before_ns(now_ns))

    def _capture(self, camera: RenderedCamera) -> None:
        scene = self._scene()
        if scene is None or not self.wanted(camera):
            return
        stamp = scene.header.stamp
        self.let_time_go(to_nanoseconds(stamp) + self.cell.simulated.camera_latency_ns)
        self._take_picture(camera, stamp, *to_scene(scene))

    def _show(self) -> None:
        scene = self._scene()
        if self._live_view and scene is not None:
            self._live_view.show(*to_scene(scene))

    def _draw(self, camera: CameraConfig, joints: Array, slider: Pose) -> NDArray[np.uint8]:
        finer = self.params.finer
        if finer == 1:
            return self._renderer.render(joints, slider, camera)
        size = camera.width_px, camera.height_px
        drawn = self._renderer.render(joints, slider, camera, (finer * size[0], finer * size[1]))
        shrunk = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(shrunk, (0, 0), _LENS_BLUR_PX), dtype=np.uint8)

    def _take_picture(
        self, camera: RenderedCamera, stamp: TimeMsg, joints: Array, slider: Pose
    ) -> None:
        started = steady_seconds()
        image = self._draw(camera.config, joints, slider)
        self._render_s.append(steady_seconds() - started)
        camera.image.publish(image_message(image, optical_frame(camera.config.name), stamp))
        camera.lens.header.stamp = stamp
        camera.info.publish(camera.lens)
        camera.frames.tick(steady_seconds())


def main() -> None:
    """Run the node."""
    run_node(RenderNode)


if __name__ == "__main__":
    main()
