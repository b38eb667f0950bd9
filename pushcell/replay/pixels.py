"""Pictures of any encoding that cameras are recorded in, as RGB."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.recording.messages import COMPRESSED_IMAGE, IMAGE

Image = NDArray[np.uint8]

_CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1, "16UC1": 1}
_SAME = {"8UC1": "mono8", "8UC3": "bgr8", "mono16": "16UC1"}
PICTURES = (IMAGE, COMPRESSED_IMAGE)


def pixels_of(
    message: Any, message_type: str, encoding: str | None = None, white: float = 65535.0
) -> Image:
    """(H, W, 3) RGB of an Image or CompressedImage; ValueError, naming it, for another encoding.

    ``encoding`` is what the message means where it says something else.
    """
    if message_type == COMPRESSED_IMAGE:
        return _unpacked(message, encoding, white)
    said = message.encoding
    encoding = encoding or _SAME.get(said, said)
    if encoding not in _CHANNELS:
        raise ValueError(f"pictures of encoding {said!r}, known are {', '.join(_CHANNELS)}")
    bytes_each = 2 if encoding == "16UC1" else 1
    width = message.width * _CHANNELS[encoding] * bytes_each
    if message.step < width or len(message.data) < message.height * message.step:
        raise ValueError(f"pictures with less data than {message.height} rows of {width} bytes")
    rows = np.asarray(message.data, np.uint8)[: message.height * message.step]
    rows = rows.reshape(message.height, message.step)[:, :width]
    if bytes_each == 2:
        order = ">u2" if message.is_bigendian else "<u2"
        return _grey(np.ascontiguousarray(rows).view(order), white)
    if encoding == "mono8":
        return cv2.cvtColor(np.ascontiguousarray(rows), cv2.COLOR_GRAY2RGB)
    image = rows.reshape(message.height, message.width, 3)
    return image if encoding == "rgb8" else image[:, :, ::-1]


def _unpacked(message: Any, encoding: str | None, white: float) -> Image:
    """JPEG or PNG, whatever the message says of it."""
    image = cv2.imdecode(np.asarray(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"compressed pictures that are no picture: {message.format!r}")
    if image.dtype == np.uint16:
        return _grey(image, white)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    image = image[:, :, :3]
    return image if encoding == "rgb8" else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _grey(depth: NDArray[np.uint16], white: float) -> Image:
    scaled = np.minimum(depth.astype(np.float32) * (255.0 / white), 255.0).astype(np.uint8)
    return cv2.cvtColor(scaled, cv2.COLOR_GRAY2RGB)
