"""Publishes one real camera under realsense-ros's topic names, with capture stamps.

This is a lifecycle node: configure opens the camera, activate starts publishing, deactivate stops
it, cleanup closes the camera. With ``autostart`` the node does the first two by itself.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pushcell.bags.messages import optical_frame
from pushcell.cameras.calibrated import active_lens
from pushcell.config.cell import CameraSourceConfig
from pushcell.config.plugins import PLUGIN_PATTERN, load_plugin
from pushcell.drivers.camera import CameraDriver, CameraFrame, CameraRequest, FrameCounter
from pushcell.drivers.file_camera import FileCamera
from pushcell.drivers.realsense_camera import RealSenseCamera, find_realsense, open_recording
from pushcell.drivers.reconnecting import ReconnectingCamera
from pushcell.drivers.uvc_camera import UvcCamera
from pushcell.errors import ConfigError, PushcellError
from pushcell.processes.priority import ProcessPriority
from pushcell.timing import Distribution, PeriodMonitor, steady_seconds
from pushcell_ros.base_node import ERROR, OK, WARN, CellNode, run_node, running
from pushcell_ros.conversions import (
    compressed_message,
    image_message,
    lens_message,
    status_message,
    to_stamp,
)
from pushcell_ros.params import CellParams, parameter
from pushcell_ros.qos import SENSOR_SOURCE

_WAIT_S = 0.05
_SLOW = 0.9
_DRIVERS = ("realsense", "uvc", "file", "recording", "simulated")


@dataclass(frozen=True)
class CameraParams(CellParams):
    """Parameters of ``camera_node``."""

    camera: str = parameter("", "name of the camera in the cell file")
    driver: str = parameter(
        "", f"{', '.join(_DRIVERS)}, or module:function; empty: as in the cell file"
    )
    device: str = parameter("", "serial number, /dev/video0, or path of the file or recording")
    exposure_us: int = parameter(0, "fixed exposure [us]; 0: as in the cell file", least=0)
    white_balance_k: int = parameter(0, "fixed white balance [K]; 0: as in the cell file", least=0)
    repeat: bool = parameter(False, "repeat a file endlessly")
    compressed: bool = parameter(False, "also publish JPEG images")
    autostart: bool = parameter(
        True, "configure and activate at the start; false: wait for `ros2 lifecycle set`"
    )


class CameraNode(LifecycleNodeMixin, CellNode):
    """Reads, stamps, counts and publishes; yields to whatever moves the arm."""

    Params = CameraParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        CellNode.__init__(self, "camera_node")
        LifecycleNodeMixin.__init__(self, enable_communication_interface=True)
        asked = self.params
        self._camera = self.cell.camera(asked.camera)
        self._source = _source(self._camera.source or CameraSourceConfig(), asked)
        # The camera, from configure to cleanup.
        self._device: ReconnectingCamera | None = None
        self._active = False
        self._refusal: PushcellError | None = None
        self._counter = FrameCounter(self._camera.rate_hz)
        self._frames = PeriodMonitor(window=100)
        self._ages_s: list[float] = []
        self._info = lens_message(active_lens(self.cell, asked.camera), asked.camera)
        topic, qos = f"camera/{asked.camera}/color", SENSOR_SOURCE
        self._images = self.create_publisher(Image, f"{topic}/image_raw", qos)
        self._infos = self.create_publisher(CameraInfo, f"{topic}/camera_info", qos)
        self._metadata = self.create_publisher(DiagnosticStatus, f"{topic}/metadata", qos)
        self._jpegs = (
            self.create_publisher(CompressedImage, f"{topic}/image_raw/compressed", qos)
            if asked.compressed
            else None
        )

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the camera; fails, with the reason in the log, where there is none."""
        try:
            self._device = ReconnectingCamera(self._find).__enter__()
        except PushcellError as error:
            self._refusal = error
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish no more; frames are still taken, so that none is old when it goes on."""
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the camera back."""
        self.close()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the camera back."""
        self.close()
        return super().on_shutdown(state)

    def close(self) -> None:
        """Give the camera back."""
        self._active = False
        if self._device is not None:
            device, self._device = self._device, None
            device.close()

    def spin(self, executor: Executor) -> None:
        """Frame after frame; the SDK waits outside of Python's lock.

        Raises PushcellError where it shall start by itself and there is no camera.
        """
        if self.params.autostart:
            if self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
                assert self._refusal is not None
                raise self._refusal
            self.trigger_activate()
        while running():
            executor.spin_once(timeout_sec=0.0 if self._device else _WAIT_S)
            frame = self._device.read(_WAIT_S) if self._device else None
            if frame is not None and self._counter.fresh(frame) and self._active:
                self._publish(frame)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Rate, losses and how old frames are when they arrive."""
        ages, self._ages_s = Distribution.of(self._ages_s), []
        rate_hz = self._frames.rate_hz()
        figures = {
            "camera": self._camera.name,
            "rate_hz": f"{rate_hz:.1f}",
            "frames": self._counter.frames,
            "dropped": self._counter.dropped,
            "duplicated": self._counter.duplicated,
            "backwards": self._counter.backwards,
            "reconnected": self._device.reconnected if self._device else 0,
            "latency_p50_ms": f"{1e3 * ages.p50:.1f}",
            "latency_p99_ms": f"{1e3 * ages.p99:.1f}",
        }
        if self._device is None:
            return OK, "not configured", figures
        if not self._active:
            return OK, "inactive", figures
        if self._device.problem is not None:
            return ERROR, self._device.problem, figures
        if self._frames.age(steady_seconds()) > 1.0:
            return ERROR, "no frames come", figures
        if rate_hz < _SLOW * self._camera.rate_hz:
            return WARN, f"frames come at {rate_hz:.1f} of {self._camera.rate_hz:g} Hz", figures
        return OK, "taking pictures", figures

    def _find(self) -> CameraDriver:
        source, camera = self._source, self._camera
        request = CameraRequest(camera.width_px, camera.height_px, camera.rate_hz)
        if source.driver not in _DRIVERS:
            return load_plugin(source.driver, "driver")(source.device, request)
        if source.driver == "file":
            return FileCamera(Path(source.device), request, self.params.repeat)
        if source.driver == "simulated":
            # Whoever has a real camera needs no simulator.
            from pushcell.simulation.simulated_camera import SimulatedCamera

            return SimulatedCamera(self.cell, camera.name, request)
        if source.driver == "uvc":
            return UvcCamera(source.device, request, source.exposure_us or None)
        if source.driver == "recording":
            return RealSenseCamera(open_recording(Path(source.device)), request)
        return RealSenseCamera(
            find_realsense(source.device),
            request,
            source.exposure_us or None,
            source.white_balance_k or None,
        )

    def _publish(self, frame: CameraFrame) -> None:
        stamp = to_stamp(frame.captured_s)
        self._frames.tick(steady_seconds())
        self._ages_s.append(time.time() - frame.captured_s)
        frame_id = optical_frame(self._camera.name)
        self._images.publish(image_message(frame.image, frame_id, stamp))
        self._info.header.stamp = stamp
        self._infos.publish(self._info)
        values = {
            "frame_number": frame.number,
            "clock_domain": frame.clock,
            "exposure_s": frame.exposure_s,
            "gain": frame.gain,
        }
        self._metadata.publish(status_message(self._camera.name, OK, "", values))
        if self._jpegs is not None:
            self._jpegs.publish(compressed_message(frame.image, frame_id, stamp))


def _source(configured: CameraSourceConfig, asked: CameraParams) -> CameraSourceConfig:
    """What the cell's file says, but for what is asked otherwise; raises ConfigError."""
    names = CameraSourceConfig.model_fields
    changes = {name: value for name in names if (value := getattr(asked, name))}
    source = configured.model_copy(update=changes)
    if source.driver not in _DRIVERS and not re.match(PLUGIN_PATTERN, source.driver):
        raise ConfigError(
            f"driver = {source.driver!r}, allowed: {', '.join(_DRIVERS)}, or a "
            "driver of your own as module:function"
        )
    return source


def main() -> None:
    """Run the node."""
    run_node(CameraNode)


if __name__ == "__main__":
    main()
