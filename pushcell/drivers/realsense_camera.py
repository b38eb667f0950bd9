"""Intel RealSense colour cameras through their SDK.

Written on the SDK's sensors, not on its pipeline: these are the same for cameras, for recorded
files and for the SDK's software device.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from pushcell.closing import Closing
from pushcell.drivers.camera import CameraFrame, CameraRequest
from pushcell.errors import CameraError

_QUEUE = 4  # frames that may wait; older ones are dropped, and counted by their numbers


def load_sdk() -> Any:
    """pyrealsense2; raises CameraError where it, or what it needs, is not installed."""
    try:
        import pyrealsense2
    except ImportError as error:
        if _has_libusb():
            raise CameraError(
                f"RealSense cameras need pyrealsense2 ({error}): pip install 'pushcell[realsense]'"
            ) from None
        raise CameraError(
            "RealSense cameras need libusb-1.0.so.0: apt install libusb-1.0-0"
        ) from None
    return pyrealsense2


def find_realsense(serial: str) -> Any:
    """The camera of a serial number; raises CameraError naming those that are there."""
    return choose(list(load_sdk().context().query_devices()), serial)


def choose(devices: list[Any], serial: str) -> Any:
    """The one of a serial number among those that are there; see `find_realsense`."""
    rs = load_sdk()
    for device in devices:
        if device.get_info(rs.camera_info.serial_number) == serial:
            require_usb3(device)
            return device
    there = ", ".join(d.get_info(rs.camera_info.serial_number) for d in devices) or "none"
    raise CameraError(f"there is no RealSense camera {serial!r}; there are: {there}")


def open_recording(path: Path) -> Any:
    """A file that was recorded by the SDK, as a camera; raises CameraError."""
    rs = load_sdk()
    if not path.is_file():
        raise CameraError(f"there is no recording {path}: give a file that the SDK recorded")
    try:
        return rs.context().load_device(str(path))
    except RuntimeError as error:
        raise CameraError(f"{path} is no recording of a RealSense camera ({error})") from None


def require_usb3(device: Any) -> None:
    """Raise CameraError where the camera hangs on USB 2, which is too slow."""
    rs = load_sdk()
    kind = rs.camera_info.usb_type_descriptor
    if device.supports(kind) and device.get_info(kind).startswith("2"):
        serial = device.get_info(rs.camera_info.serial_number)
        raise CameraError(
            f"RealSense camera {serial} is on USB {device.get_info(kind)}: use a USB 3 port "
            "and cable"
        )


class RealSenseCamera(Closing):
    """The colour stream of one device, exposure and white balance locked where given."""

    def __init__(
        self,
        device: Any,
        request: CameraRequest,
        exposure_us: float | None = None,
        white_balance_k: float | None = None,
    ) -> None:
        self._rs = load_sdk()
        self._device, self._request = device, request
        self._exposure_us, self._white_balance_k = exposure_us, white_balance_k
        self._name = f"RealSense camera {device.get_info(self._rs.camera_info.serial_number)}"
        self._sensor: Any = None
        self._queue: Any = None
        self._clock: str | None = None

    def __enter__(self) -> RealSenseCamera:
        sensor, profile = self._find_stream()
        self._lock(sensor)
        self._queue = self._rs.frame_queue(_QUEUE)
        try:
            sensor.open(profile)
            sensor.start(self._queue)
        except RuntimeError as error:
            raise CameraError(
                f"{self._name} cannot be opened ({error}): another program has it, or it hangs; "
                "end that program, or plug the camera in again"
            ) from None
        self._sensor = sensor
        return self

    def close(self) -> None:
        """See `Closing.close`."""
        if self._sensor is not None:
            self._sensor.stop()
            self._sensor.close()
            self._sensor = None

    def read(self, timeout_s: float) -> CameraFrame | None:
        """See `CameraDriver.read`."""
        frame = self._queue.try_wait_for_frame(round(1e3 * timeout_s))
        good, frame = frame if isinstance(frame, tuple) else (bool(frame), frame)
        if not good:
            if not self._device.is_connected():
                raise CameraError(f"{self._name} is gone: is its cable loose?")
            return None
        clock = str(frame.get_frame_timestamp_domain()).rsplit(".", 1)[-1]
        self._require_clock(clock)
        return CameraFrame(
            np.array(frame.get_data(), dtype=np.uint8),
            frame.get_timestamp() * 1e-3,
            frame.get_frame_number(),
            clock,
            self._told(frame, "actual_exposure", 1e-6),
            self._told(frame, "gain_level", 1.0),
        )

    def _find_stream(self) -> tuple[Any, Any]:
        rs, wanted = self._rs, self._request
        offered = []
        for sensor in self._device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if profile.stream_type() != rs.stream.color or profile.format() != rs.format.rgb8:
                    continue
                video = profile.as_video_stream_profile()
                mode = video.width(), video.height(), profile.fps()
                if mode == (wanted.width_px, wanted.height_px, round(wanted.rate_hz)):
                    return sensor, profile
                offered.append("{}x{} at {} Hz".format(*mode))
        raise CameraError(
            f"{self._name} has no colour stream of {wanted.width_px}x{wanted.height_px} at "
            f"{wanted.rate_hz:g} Hz; it has {', '.join(sorted(set(offered))) or 'none at all'}"
        )

    def _lock(self, sensor: Any) -> None:
        """What changes by itself makes images of one scene differ, and exposure delays them."""
        option = self._rs.option
        self._set(sensor, option.global_time_enabled, 1, needed=False)
        for value, automatic, manual in (
            (self._exposure_us, option.enable_auto_exposure, option.exposure),
            (self._white_balance_k, option.enable_auto_white_balance, option.white_balance),
        ):
            if value is not None:
                self._set(sensor, automatic, 0, needed=False)
                self._set(sensor, manual, value, needed=True)

    def _set(self, sensor: Any, option: Any, value: float, needed: bool) -> None:
        name = str(option).rsplit(".", 1)[-1].lower().replace(" ", "_")
        if not sensor.supports(option) or sensor.is_option_read_only(option):
            if needed:
                raise CameraError(f"{self._name} does not let {name} be set: leave it out")
            return
        span = sensor.get_option_range(option)
        if not span.min <= value <= span.max:
            raise CameraError(
                f"{self._name}: {name} = {value:g}, allowed: {span.min:g} to {span.max:g}"
            )
        sensor.set_option(option, value)

    def _require_clock(self, clock: str) -> None:
        """The camera's own clock has another zero: stamps of it would be compared with ours."""
        if clock == "hardware_clock":
            raise CameraError(
                f"{self._name} stamps frames by its own clock: switch global time on (it needs "
                "metadata in the kernel's driver, or the SDK's own USB backend)"
            )
        if self._clock not in (None, clock):
            raise CameraError(f"{self._name} went from {self._clock} to {clock}: start it again")
        self._clock = clock

    def _told(self, frame: Any, name: str, unit: float) -> float | None:
        key = getattr(self._rs.frame_metadata_value, name)
        return unit * frame.get_frame_metadata(key) if frame.supports_frame_metadata(key) else None


def _has_libusb() -> bool:
    try:
        ctypes.CDLL("libusb-1.0.so.0")
    except OSError:
        return False
    return True
