"""Where the pusher and the end of the arm may hide the slider in a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.config.cell import PusherConfig
from pushcell.geometry import Array, Pose

_NEAREST_M = 0.03
_MARGIN_M = 0.004
_ARM_RADIUS_M = 0.075  # of what carries the pusher
_ARM_LENGTH_M = 0.3
_AROUND = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_ALONG = np.linspace(0, 1, 9)


def visible(
    tip: Pose, pusher: PusherConfig, projection: Array, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """(H, W) False where the pusher, or what carries it, may be in front; ``tip`` in the base.

    ``projection`` (3, 4) takes the base frame to pixels of a picture of ``size`` (height, width).
    """
    hidden = np.zeros(size, np.uint8)
    top = -pusher.length_m
    for start_m, end_m, radius_m in (
        (0.0, top, pusher.radius_m + _MARGIN_M),
        (top, top - _ARM_LENGTH_M, _ARM_RADIUS_M),
    ):
        _fill(hidden, tip.transform(_cylinder(start_m, end_m, radius_m)), projection)
    return hidden == 0


def _cylinder(start_m: float, end_m: float, radius_m: float) -> Array:
    """Rings of points (R, N, 3) on a cylinder about the tip's z axis, ring after ring."""
    ring = radius_m * np.column_stack([np.cos(_AROUND), np.sin(_AROUND)])
    heights = start_m + (end_m - start_m) * _ALONG
    return np.stack([np.column_stack([ring, np.full(len(ring), z)]) for z in heights])


def _fill(hidden: NDArray[np.uint8], rings: Array, projection: Array) -> None:
    """Fill the hull of each two neighbouring rings that are in front of the camera."""
    seen = rings @ projection[:, :3].T + projection[:, 3]
    in_front = (seen[..., 2] > _NEAREST_M).all(axis=1)
    far = 1e4  # px: OpenCV's corners are whole numbers of 32 bits
    pixels = np.clip(seen[..., :2] / np.maximum(seen[..., 2:], _NEAREST_M), -far, far)
    for k in range(len(rings) - 1):
        if in_front[k] and in_front[k + 1]:
            both = np.vstack([pixels[k], pixels[k + 1]])
            hull = cv2.convexHull(np.round(both).astype(np.int32))
            cv2.fillConvexPoly(hidden, hull, 1)
