"""Images of a request that asks for resizing: any size, integers, fractions, lists, JPEG or PNG."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from policy_server.bundle_sections import CameraInput
from policy_server.message_codec import ProtocolError
from pushcell.cameras.image_transform import stored_image

Image = NDArray[np.uint8]

LARGEST_PX = (1280, 720)
"""Width and height of the largest image that a request may bring; larger cameras have their own."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Markers of JPEG that begin a frame, and so have its size.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def resized(value: Any, camera: CameraInput, observation_steps: int) -> Image:
    """(steps, H, W, 3) as the network's images are stored; raises ProtocolError."""
    key = camera.key
    if isinstance(value, bytes):
        value = [value]
    if isinstance(value, list) and value and all(isinstance(part, bytes) for part in value):
        images = [_decoded(part, camera) for part in value]
    else:
        images = list(_whole(value, key, observation_steps))
    if len(images) != observation_steps:
        raise ProtocolError(
            f"{key} must be {observation_steps} images, the oldest first, not {len(images)}"
        )
    return np.stack([stored_image(image, camera.size_px) for image in images])


def described(value: Any) -> str:
    """What a value in a request is, for a sentence about it."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, bytes):
        kind = "a JPEG of " if value.startswith(_JPEG) else "a PNG of " if _is_png(value) else ""
        return f"{kind}{len(value)} bytes"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _whole(value: Any, key: str, observation_steps: int) -> Image:
    """(n, H, W, 3) of an array or nested lists."""
    try:
        images = np.asarray(value)
    except ValueError:  # rows of different lengths
        images = np.empty(0)
    if images.ndim == 3 and observation_steps == 1:
        images = images[None]
    if images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
        raise ProtocolError(
            f"{key} must be ({observation_steps}, height, width, 3) or JPEG or PNG, not "
            f"{described(value)}"
        )
    if images.dtype == np.uint8:
        return images
    highest = 1.0 if images.dtype.kind == "f" else 255.0
    if images.dtype.kind not in "fiu" or not ((images >= 0) & (images <= highest)).all():
        raise ProtocolError(f"{key}: integers are of 0 to 255, fractions of 0 to 1, as in openpi")
    return np.rint(images * (255.0 / highest)).astype(np.uint8)


def _decoded(data: bytes, camera: CameraInput) -> Image:
    """(H, W, 3) RGB; looked at before it is unpacked, as few bytes may stand for many pixels."""
    size = _png_size(data) if _is_png(data) else _jpeg_size(data)
    largest = max(LARGEST_PX[0] * LARGEST_PX[1], camera.width_px * camera.height_px)
    bgr = None
    if size is not None and 0 < size[0] * size[1] <= largest:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ProtocolError(
            f"{camera.key} is {described(data)}, and no JPEG or PNG of up to {largest} pixels"
        )
    return bgr[:, :, ::-1]


def _is_png(data: bytes) -> bool:
    return data.startswith(_PNG)


def _png_size(data: bytes) -> tuple[int, int] | None:
    return struct.unpack_from(">II", data, 16) if len(data) >= 24 else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """By the header of its frame; None where it has none."""
    offset = len(_JPEG)
    while data.startswith(_JPEG) and offset + 9 <= len(data) and data[offset] == 0xFF:
        marker = data[offset + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, offset + 5)
            return width, height
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return None
