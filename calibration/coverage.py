"""What is still missing among the views of a board: parts of the image, tilts, distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.views import View, Views
from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array

CELLS = (4, 3)
_FEWEST_IN_CELL = 2
_TILT_RAD = np.radians(15.0)
_NEAR_FAR_RATIO = 1.3
_COLUMNS = ("far left", "left", "right", "far right")
_ROWS = ("top", "middle", "bottom")
_TILTS = ("its right side nearer", "its left side nearer", "its top nearer", "its bottom nearer")


@dataclass(frozen=True)
class Coverage:
    """Corners per part of the image (3, 4), tilts (n, 2) [rad], distances (n,) [m], and advice."""

    counts: Array
    tilts_rad: Array
    distances_m: Array
    missing: tuple[str, ...]


def coverage_of(views: Views, lens: Lens | None = None) -> Coverage:
    """Of views so far; without a lens one that is about right is enough to guide by."""
    lens = lens or approximate_lens(views.size)
    counts = np.zeros(CELLS[::-1])
    for view in views.found:
        column, row = np.clip(
            (view.corners.pixels / views.size * CELLS).astype(int).T,
            0,
            np.array(CELLS)[:, None] - 1,
        )
        np.add.at(counts, (row, column), 1)
    poses = np.array([_locate(view, views, lens) for view in views.found]).reshape(-1, 4, 4)
    # The board's normal, seen from the camera: what it leans to on either axis.
    normals = poses[:, :3, 2]
    tilts = np.stack(
        [np.arctan2(normals[:, 0], normals[:, 2]), np.arctan2(normals[:, 1], normals[:, 2])], axis=1
    )
    distances = np.linalg.norm(poses[:, :3, 3], axis=1)
    return Coverage(counts, tilts, distances, tuple(_missing(counts, tilts, distances)))


def approximate_lens(size: tuple[int, int]) -> Lens:
    """A lens of usual width and no distortion."""
    focal, (width, height) = 0.9 * max(size), size
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Lens(matrix, np.zeros(5), size)


def _locate(view: View, views: Views, lens: Lens) -> Array:
    return lens.locate(views.board.corners_m[view.corners.ids], view.corners.pixels)


def _missing(counts: Array, tilts: Array, distances: Array) -> list[str]:
    missing = [
        f"show the board at the {_ROWS[row]} {_COLUMNS[column]} of the image"
        for row, column in np.argwhere(counts < _FEWEST_IN_CELL)
    ]
    leaning = (
        tilts[:, 0] > _TILT_RAD,
        tilts[:, 0] < -_TILT_RAD,
        tilts[:, 1] < -_TILT_RAD,
        tilts[:, 1] > _TILT_RAD,
    )
    missing += [
        f"tilt the board by 20 to 40 deg, {_TILTS[side]}"
        for side, seen in enumerate(leaning)
        if not seen.any()
    ]
    if len(distances) < 2 or distances.max() < _NEAR_FAR_RATIO * distances.min():
        missing.append("show the board from nearer and from farther away")
    return missing
