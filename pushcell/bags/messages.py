"""ROS 2 messages as bytes, without ROS: definitions, type hashes and CDR by `rosbags`.

Stamps are nanoseconds of the clock that the episode was recorded on.
"""

from __future__ import annotations

import functools
import math
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from pushcell.bags.pixels import compressed_pixels_of, pixels_of
from pushcell.config.cell import CameraConfig
from pushcell.geometry import Array, PlanarPose, Pose

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
JOINT_STATE = "sensor_msgs/msg/JointState"
STATUS = "diagnostic_msgs/msg/DiagnosticStatus"
STRING = "std_msgs/msg/String"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POSE = "geometry_msgs/msg/PoseStamped"

BASE_FRAME = "base"
_NS = 10**9
_STAMP_END = 12  # after the encapsulation, seconds and nanoseconds


@dataclass(frozen=True)
class MessageDefinition:
    """A message type as bags carry it: its text with that of all it is made of, and its hash."""

    text: str
    type_hash: str


@functools.cache
def definition_of(message_type: str) -> MessageDefinition:
    """The definition of one of Jazzy's standard types, such as ``sensor_msgs/msg/Image``."""
    text, _ = _store().generate_msgdef(message_type, ros_version=2)
    return MessageDefinition(text, _store().hash_rihs01(message_type))


def to_cdr(message: Any, message_type: str) -> bytes:
    """The bytes of a message made by `message_class`."""
    return bytes(_store().serialize_cdr(message, message_type))


def from_cdr(cdr: bytes | memoryview, message_type: str) -> Any:
    """The message of these bytes, as an object with its fields as attributes.

    Raises ValueError for bytes that are none.
    """
    try:
        return _store().deserialize_cdr(cdr, message_type)
    except (SerdeError, IndexError, OverflowError, MemoryError) as error:
        raise ValueError(f"{len(cdr)} bytes are no {message_type}: {error}") from None


def message_class(message_type: str) -> Any:
    """The class of a standard type; all of its fields are arguments."""
    return _store().types[message_type]


@functools.cache
def has_header(message_type: str) -> bool:
    """Whether messages of a standard type begin with a header, so that they have a stamp."""
    fields = _store().fielddefs[message_type][1]
    return bool(fields) and fields[0][1][1] == "std_msgs/msg/Header"


def is_standard(message_type: str) -> bool:
    """Whether the type is one of Jazzy's own."""
    return message_type in _store().fielddefs


def capture_stamp_ns(cdr: bytes | memoryview) -> int:
    """The stamp of a message that begins with a header; ValueError for bytes without one."""
    if len(cdr) < _STAMP_END:
        raise ValueError(f"{len(cdr)} bytes are no message with a header")
    # After four bytes of encapsulation; the lowest bit of the second says little endian.
    seconds, nanoseconds = struct.unpack_from("<iI" if cdr[1] & 1 else ">iI", cdr, 4)
    return seconds * _NS + nanoseconds


def optical_frame(camera: str) -> str:
    """The frame id of a camera's images."""
    return f"{camera}_color_optical_frame"


def image_cdr(stamp_ns: int, frame: str, image: NDArray[np.uint8]) -> bytes:
    """An RGB image (H, W, 3)."""
    height, width, _ = image.shape
    data = np.ascontiguousarray(image).reshape(-1)
    fields = (_header(stamp_ns, frame), height, width, "rgb8", 0, 3 * width, data)
    return to_cdr(message_class(IMAGE)(*fields), IMAGE)


def image_of(cdr: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) RGB; ValueError for an encoding that `pixels.pixels_of` does not read."""
    return pixels_of(from_cdr(cdr, IMAGE))


def jpeg_cdr(cdr: bytes, quality: int) -> bytes:
    """An image as a compressed one, as image_transport has it; ValueError as for `image_of`."""
    message = from_cdr(cdr, IMAGE)
    bgr = np.ascontiguousarray(pixels_of(message)[:, :, ::-1])
    if bgr.size == 0:
        raise ValueError("an image without pixels cannot be compressed")
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].reshape(-1)
    format_ = f"{message.encoding}; jpeg compressed bgr8"
    compressed = message_class(COMPRESSED_IMAGE)(message.header, format_, data)
    return to_cdr(compressed, COMPRESSED_IMAGE)


def compressed_image_of(cdr: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) RGB; ValueError for what is no picture."""
    return compressed_pixels_of(from_cdr(cdr, COMPRESSED_IMAGE))


PIXELS = {IMAGE: image_of, COMPRESSED_IMAGE: compressed_image_of}
"""How the pictures of each type of image are read."""


def camera_info_cdr(stamp_ns: int, frame: str, camera: CameraConfig) -> bytes:
    """The camera's pinhole model, without distortion."""
    region = message_class("sensor_msgs/msg/RegionOfInterest")(0, 0, 0, 0, False)
    matrix = camera.matrix.astype(np.float64)
    projection = np.column_stack([matrix, np.zeros(3)])
    message = message_class(CAMERA_INFO)(
        header=_header(stamp_ns, frame),
        height=camera.height_px,
        width=camera.width_px,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=matrix.ravel(),
        r=np.eye(3).ravel(),
        p=projection.ravel(),
        binning_x=0,
        binning_y=0,
        roi=region,
    )
    return to_cdr(message, CAMERA_INFO)


def upright_pose_cdr(stamp_ns: int, pose: PlanarPose, z_m: float) -> bytes:
    """A thing that lies on the table, its z axis up."""
    z, w = heading_quaternion(pose.theta)
    return _pose_cdr(stamp_ns, (pose.x, pose.y, z_m), (0.0, 0.0, z, w))


def tool_pose_cdr(stamp_ns: int, pose: PlanarPose, z_m: float) -> bytes:
    """A tool that points straight down: turned about x by half a turn, then by the heading."""
    y, x = heading_quaternion(pose.theta)
    return _pose_cdr(stamp_ns, (pose.x, pose.y, z_m), (x, y, 0.0, 0.0))


def planar_pose_of(cdr: bytes) -> Array:
    """(3,) x, y and the heading of the x axis; exact for what the functions above have written."""
    message = from_cdr(cdr, POSE)
    p, q = message.pose.position, message.pose.orientation
    if q.x == 0 and q.y == 0:
        return np.array([p.x, p.y, 2 * math.atan2(q.z, q.w)])
    if q.z == 0 and q.w == 0:
        return np.array([p.x, p.y, 2 * math.atan2(q.y, q.x)])
    return Pose.from_quaternion([p.x, p.y, p.z], [q.x, q.y, q.z, q.w]).planar().as_array()


def heading_quaternion(theta: float) -> tuple[float, float]:
    """(z, w) whose ``2 * atan2(z, w)`` is exactly theta, for any |theta| <= 2 pi.

    Sine and cosine are off by a rounding now and then; one step of the smaller of them, which
    is the finer one, makes up for it.
    """
    z, w = math.sin(theta / 2), math.cos(theta / 2)
    if 2 * math.atan2(z, w) == theta:
        return z, w
    for way in (math.inf, -math.inf):
        nudged = (math.nextafter(z, way), w) if abs(z) < abs(w) else (z, math.nextafter(w, way))
        if 2 * math.atan2(*nudged) == theta:
            return nudged
    return z, w


def _pose_cdr(
    stamp_ns: int, xyz: tuple[float, float, float], q: tuple[float, float, float, float]
) -> bytes:
    point = message_class("geometry_msgs/msg/Point")(*xyz)
    quaternion = message_class("geometry_msgs/msg/Quaternion")(*q)
    pose = message_class("geometry_msgs/msg/Pose")(point, quaternion)
    return to_cdr(message_class(POSE)(_header(stamp_ns, BASE_FRAME), pose), POSE)


def _header(stamp_ns: int, frame: str) -> Any:
    stamp = message_class("builtin_interfaces/msg/Time")(*divmod(stamp_ns, _NS))
    return message_class("std_msgs/msg/Header")(stamp, frame)


@functools.cache
def _store() -> Typestore:
    return get_typestore(Stores.ROS2_JAZZY)
