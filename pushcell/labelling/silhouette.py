"""The slider's silhouette in a picture: the border of an extruded outline as a camera sees it.

A convex part of the slider projects to the convex hull of its corners; the silhouette is the union
of the parts'. Pixels are (x, y), a pixel's centre is a whole number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pushcell.geometry import Array
from pushcell.task import SliderShape

_NEAREST_M = 0.02
_LINES = 72  # along the whole border
_CLOSEST_PX = 1.0  # of two of them


@dataclass(frozen=True)
class Prism:
    """The slider's convex parts as solid bodies; corners in its frame [m], the table at z = 0."""

    parts: tuple[Array, ...]  # (2M, 3) each
    height_m: float
    lever_m: float  # turns a rotation [rad] into the length that its corners move

    @classmethod
    def of(cls, shape: SliderShape, height_m: float) -> Prism:
        """From the slider's outline and its thickness."""
        parts = tuple(
            np.vstack([np.column_stack([part, np.full(len(part), z)]) for z in (0.0, height_m)])
            for part in shape.parts
        )
        return cls(parts, height_m, float(np.linalg.norm(shape.outline, axis=1).mean()))

    def hulls(self, pose: Array, projection: Array) -> list[Hull] | None:
        """The parts' silhouettes at a pose (3,) x, y, theta.

        ``projection`` (3, 4) takes the base frame to pixels. None where a corner is not in front
        of the camera.
        """
        c, s = np.cos(pose[2]), np.sin(pose[2])
        turned = np.array([[c, -s, 0, pose[0]], [s, c, 0, pose[1]], [0, 0, 1, 0], [0, 0, 0, 1]])
        matrix = projection @ turned
        found = []
        for part in self.parts:
            seen = part @ matrix[:, :3].T + matrix[:, 3]
            if seen[:, 2].min() < _NEAREST_M:
                return None
            found.append(Hull.around(seen[:, :2] / seen[:, 2:]))
        return found


@dataclass(frozen=True)
class Hull:
    """A convex outline [px] as half planes; inside is where ``normals @ x <= offsets``."""

    corners: Array  # (K, 2), one after the other
    normals: Array  # (K, 2) outward, of the edge from each corner to the next
    offsets: Array  # (K,)
    lengths: Array  # (K,)

    @classmethod
    def around(cls, points: Array) -> Hull:
        """Of points (N, 2)."""
        corners = cv2.convexHull(points.astype(np.float32), clockwise=False)[:, 0].astype(float)
        along = np.roll(corners, -1, axis=0) - corners
        lengths = np.linalg.norm(along, axis=1)
        kept = lengths > 1e-6
        corners, along, lengths = corners[kept], along[kept], lengths[kept]
        normals = np.column_stack([along[:, 1], -along[:, 0]]) / lengths[:, None]
        offsets = np.sum(normals * corners, axis=1)
        if np.mean(normals @ corners.mean(axis=0) - offsets) > 0:
            normals, offsets = -normals, -offsets
        return cls(corners, normals, offsets, lengths)

    def excess(self, points: Array) -> Array:
        """How far points (..., 2) lie beyond the worst edge [px]; negative inside."""
        return np.max(points @ self.normals.T - self.offsets, axis=-1)


def excess(hulls: Sequence[Hull], points: Array) -> Array:
    """How far points (..., 2) lie outside the union of the hulls [px]; negative inside."""
    return np.min([hull.excess(points) for hull in hulls], axis=0)


def border(hulls: Sequence[Hull]) -> tuple[Array, Array]:
    """Points (N, 2) evenly along the silhouette's border, and outward normals (N, 2)."""
    spacing = max(sum(float(hull.lengths.sum()) for hull in hulls) / _LINES, _CLOSEST_PX)
    points, normals = [], []
    for number, hull in enumerate(hulls):
        counts = np.maximum(np.round(hull.lengths / spacing).astype(int), 1)
        edges = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts)
        part = ((place + 0.5) / counts[edges])[:, None]
        following = np.roll(hull.corners, -1, axis=0)
        on_edge = (1 - part) * hull.corners[edges] + part * following[edges]
        others = [other for k, other in enumerate(hulls) if k != number]
        kept = excess(others, on_edge) > 0.5 if others else np.ones(len(edges), bool)
        points.append(on_edge[kept])
        normals.append(hull.normals[edges][kept])
    return np.concatenate(points), np.concatenate(normals)


def flow(pose: Array, projection: Array, pixels: Array, height_m: float) -> Array:
    """(N, 2, 3) how pixels (N, 2) of the slider move [px] with its pose [m, m, rad].

    Pixels are taken for points at ``height_m`` above the table.
    """
    plane = np.column_stack([projection[:, :2], projection[:, 2] * height_m + projection[:, 3]])
    points = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(plane).T
    scale = points[:, 2:]  # one over the depth
    from_centre = points[:, :2] / scale - pose[:2]
    along_x, along_y = ((plane[:2, k] - pixels * plane[2, k]) * scale for k in (0, 1))
    turned = along_y * from_centre[:, :1] - along_x * from_centre[:, 1:]
    return np.stack([along_x, along_y, turned], axis=-1)
