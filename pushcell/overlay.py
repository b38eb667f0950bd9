"""Outlines drawn over camera images: where the goal is, where the slider is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pushcell.config import CameraConfig
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.task import Task

_GOAL_RGB = (40, 200, 60)
_SLIDER_RGB = (230, 60, 60)
_NEAREST_M = 1e-3


def project(camera: CameraConfig, pose_camera_in_base: Pose, points: ArrayLike) -> Array:
    """Pixels (N, 2) of points (N, 3) in the base frame; NaN for what is not in front."""
    seen = pose_camera_in_base.inverse().transform(points)
    depth = np.where(seen[:, 2:] > _NEAREST_M, seen[:, 2:], np.nan)
    return (seen / depth @ camera.matrix.T)[:, :2]


def draw_outline(
    image: NDArray[np.uint8],
    camera: CameraConfig,
    pose_camera_in_base: Pose,
    points: ArrayLike,
    colour_rgb: tuple[int, int, int],
) -> None:
    """Draw the closed outline (N, 3) in the base frame on an image (H, W, 3), in place.

    An outline that is not wholly in front of the camera is left out.
    """
    pixels = project(camera, pose_camera_in_base, points)
    if not np.isfinite(pixels).all():
        return
    fraction_bits = 4
    corners = np.round(pixels * 2**fraction_bits).astype(np.int32)
    cv2.polylines(image, [corners], True, colour_rgb, lineType=cv2.LINE_AA, shift=fraction_bits)


def draw_task(
    image: NDArray[np.uint8], camera: CameraConfig, task: Task, slider: PlanarPose | None
) -> None:
    """Draw goal (green) and slider (red) on an image of a camera that is fixed to the base."""
    for pose, colour in ((task.goal, _GOAL_RGB), (slider, _SLIDER_RGB)):
        if pose is not None:
            outline = task.shape.outline_at(pose)
            on_table = np.column_stack([outline, np.zeros(len(outline))])
            draw_outline(image, camera, camera.pose_in_link, on_table, colour)
