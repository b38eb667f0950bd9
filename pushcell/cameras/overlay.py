"""Outlines drawn over camera images: where the goal is, where the slider is."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.task import Task

_GOAL_RGB = (40, 200, 60)
_SLIDER_RGB = (230, 60, 60)
_NEAREST_M = 1e-3


class LensLike(Protocol):
    """A camera of a cell's configuration, or a calibrated lens."""

    @property
    def matrix(self) -> Array:
        """(3, 3) pinhole matrix [px]."""

    @property
    def distortion(self) -> Array:
        """(5,) k1 k2 p1 p2 k3."""


def project(camera: LensLike, X_BaseCamera: Pose, points: ArrayLike) -> Array:
    """Pixels (N, 2) of points (N, 3) in the base frame; NaN for what is not in front."""
    seen = X_BaseCamera.inverse().transform(points)
    still = np.zeros(3)
    pixels = cv2.projectPoints(seen, still, still, camera.matrix, camera.distortion)[0][:, 0]
    return np.where(seen[:, 2:] > _NEAREST_M, pixels, np.nan)


def draw_outline(
    image: NDArray[np.uint8],
    camera: LensLike,
    X_BaseCamera: Pose,
    points: ArrayLike,
    colour_rgb: tuple[int, int, int],
) -> None:
    """Draw the closed outline (N, 3) in the base frame on an image (H, W, 3), in place.

    An outline that is not wholly in front of the camera is left out.
    """
    pixels = project(camera, X_BaseCamera, points)
    if not np.isfinite(pixels).all():
        return
    fraction_bits = 4
    corners = np.round(pixels * 2**fraction_bits).astype(np.int32)
    cv2.polylines(image, [corners], True, colour_rgb, lineType=cv2.LINE_AA, shift=fraction_bits)


def draw_task(
    image: NDArray[np.uint8],
    camera: LensLike,
    X_BaseCamera: Pose,
    task: Task,
    slider: PlanarPose | None,
) -> None:
    """Draw goal (green) and slider (red) on an image, in place."""
    for pose, colour in ((task.goal, _GOAL_RGB), (slider, _SLIDER_RGB)):
        if pose is not None:
            draw_slider(image, camera, X_BaseCamera, task, pose, colour)


def draw_slider(
    image: NDArray[np.uint8],
    camera: LensLike,
    X_BaseCamera: Pose,
    task: Task,
    pose: PlanarPose,
    colour_rgb: tuple[int, int, int],
) -> None:
    """Draw the slider's outline on the table, in place."""
    outline = task.shape.outline_at(pose)
    on_table = np.column_stack([outline, np.zeros(len(outline))])
    draw_outline(image, camera, X_BaseCamera, on_table, colour_rgb)
