"""Images of every encoding that cameras publish, as RGB: one function for live nodes and replay."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

WHITE = 65535.0
"""The value of a 16-bit image that is shown as white, where nothing else is said."""

_DEPTH_HEAD = struct.Struct("<iff")  # format, and two parameters of a quantisation


@dataclass(frozen=True)
class _Layout:
    """How an encoding lies in memory: bytes a pixel, and OpenCV's conversion to RGB.

    ``chroma`` is for planes: half as many rows again, with the colours of four pixels each.
    """

    bytes_each: int
    conversion: int | None = None
    channels: int = 1
    chroma: bool = False

    def height(self, image_height: int) -> int:
        """How many rows of bytes an image has."""
        return image_height + (image_height + 1) // 2 if self.chroma else image_height

    def rgb(self, rows: Image) -> Image:
        """(H, W, 3) of rows of bytes without padding."""
        shape = (len(rows), -1) if self.channels == 1 else (len(rows), -1, self.channels)
        image = rows.reshape(shape)
        return image if self.conversion is None else cv2.cvtColor(image, self.conversion)


_LAYOUTS = {
    "rgb8": _Layout(3, None, 3),
    "bgr8": _Layout(3, cv2.COLOR_BGR2RGB, 3),
    "rgba8": _Layout(4, cv2.COLOR_RGBA2RGB, 4),
    "bgra8": _Layout(4, cv2.COLOR_BGRA2RGB, 4),
    "mono8": _Layout(1, cv2.COLOR_GRAY2RGB),
    "yuv422": _Layout(2, cv2.COLOR_YUV2RGB_UYVY, 2),
    "yuv422_yuy2": _Layout(2, cv2.COLOR_YUV2RGB_YUY2, 2),
    "nv12": _Layout(1, cv2.COLOR_YUV2RGB_NV12, chroma=True),
    "nv21": _Layout(1, cv2.COLOR_YUV2RGB_NV21, chroma=True),
    "bayer_rggb8": _Layout(1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr8": _Layout(1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg8": _Layout(1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg8": _Layout(1, cv2.COLOR_BayerGRBG2RGB),
}
_DEEP = "mono16"
_SAME = {
    "8UC1": "mono8",
    "8UC3": "bgr8",
    "8UC4": "bgra8",
    "16UC1": _DEEP,
    "uyvy": "yuv422",
    "yuyv": "yuv422_yuy2",
}
ENCODINGS = (*_LAYOUTS, _DEEP, *_SAME)
"""Those of sensor_msgs/Image that are read."""


def pixels_of(message: Any, encoding: str | None = None, white: float = WHITE) -> Image:
    """(H, W, 3) RGB of an Image, of ROS's own class or another; ValueError, naming it, otherwise.

    ``encoding`` is what the message means where it says something else.
    """
    said = encoding or message.encoding
    name = _SAME.get(said, said)
    if name == _DEEP:
        order = ">u2" if message.is_bigendian else "<u2"
        deep = _rows(message, 2, message.height)
        return _grey(np.ascontiguousarray(deep).view(order), white)
    if name not in _LAYOUTS:
        raise ValueError(f"images of encoding {said!r}; those read are {', '.join(ENCODINGS)}")
    layout = _LAYOUTS[name]
    height = layout.height(message.height)
    rows = np.ascontiguousarray(_rows(message, layout.bytes_each, height))
    try:
        return layout.rgb(rows)
    except cv2.error:
        raise ValueError(f"images of encoding {said!r} with a size that it cannot have") from None


def compressed_pixels_of(message: Any, encoding: str | None = None, white: float = WHITE) -> Image:
    """(H, W, 3) RGB of a CompressedImage: JPEG, PNG, or the PNG of a compressedDepth.

    ``encoding`` as for `pixels_of`. ValueError, naming the format, for what is no image.
    """
    data = np.frombuffer(message.data, np.uint8)
    if "compressedDepth" in message.format:
        data = _depth_png(data, message.format)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise ValueError(
            f"compressed images of format {message.format!r} that are neither JPEG nor PNG"
        )
    if image.dtype == np.uint16:
        image = image if image.ndim == 2 else cv2.cvtColor(image[:, :, :3], cv2.COLOR_BGR2GRAY)
        return _grey(image, white)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    image = image[:, :, :3]
    return image if encoding == "rgb8" else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _rows(message: Any, bytes_each: int, height: int) -> Image:
    """(height, bytes of a row) without what pads the rows."""
    width = message.width * bytes_each
    data = np.frombuffer(message.data, np.uint8)
    step = message.step
    if width and len(data) == height * width:
        step = width  # some publishers leave it 0, or give the bytes of a pixel, or of all planes
    if not (width and height) or len(data) < height * step:
        raise ValueError(f"images with less data than {height} rows of {width} bytes")
    if step < width:
        raise ValueError(f"images whose step is {step} bytes, though their rows have {width}")
    return data[: height * step].reshape(height, step)[:, :width]


def _depth_png(data: Image, said: str) -> Image:
    """The PNG after the header of compressed_depth_image_transport; ValueError for other kinds."""
    if not said.startswith("16UC1") or "rvl" in said:
        raise ValueError(
            f"compressed depth of format {said!r}; of compressedDepth 16UC1 in PNG is read"
        )
    return data[_DEPTH_HEAD.size :]


def _grey(depth: NDArray[np.uint16], white: float) -> Image:
    scaled = np.minimum(depth.astype(np.float32) * (255.0 / white), 255.0).astype(np.uint8)
    return cv2.cvtColor(scaled, cv2.COLOR_GRAY2RGB)
