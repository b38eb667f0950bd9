"""What is drawn over the cameras' pictures: outlines in pixels."""

from __future__ import annotations

import numpy as np

from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.cameras.overlay import project
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.task import Task

Outline = tuple[str, list[list[float]]]
"""Its kind, and its corners [[u, v], ...] [px]."""

_CIRCLE = np.column_stack([f(np.linspace(0, 2 * np.pi, 24, False)) for f in (np.cos, np.sin)])


class Outlines:
    """Draws goal, wanted start and pusher as each camera would see them."""

    def __init__(self, cell: CellConfig) -> None:
        self._cell = cell
        self._task = Task.of(cell.task, cell.pusher.radius_m)
        self._lenses = {camera.name: active_lens(cell, camera.name) for camera in cell.cameras}
        self._poses_in_link = {
            camera.name: Pose.from_matrix(active_pose(cell, camera.name)) for camera in cell.cameras
        }
        # From the pusher's tip back to the link that carries it.
        self._X_TipLink = Pose(np.array([0.0, 0.0, -cell.pusher.tip_offset_m]), np.eye(3))

    def over(
        self,
        camera: CameraConfig,
        tip: Pose | None,
        commanded: Array | None,
        start: PlanarPose | None,
    ) -> list[Outline]:
        """Everything that is wholly before the camera.

        ``tip`` is the measured pusher in the base, ``commanded`` (2,) where its tip shall be.
        """
        shapes: list[tuple[str, Array, float]] = [
            ("goal", self._task.shape.outline_at(self._task.goal), 0.0)
        ]
        if start is not None:
            shapes.append(("start", self._task.shape.outline_at(start), 0.0))
        if commanded is not None:
            ring = commanded + self._cell.pusher.radius_m * _CIRCLE
            shapes.append(("pusher", ring, self._cell.pusher.tip_height_m))
        X_BaseCamera = self._X_BaseCamera(camera, tip)
        if X_BaseCamera is None:
            return []
        seen = []
        for kind, corners, height_m in shapes:
            points = np.column_stack([corners, np.full(len(corners), height_m)])
            pixels = project(self._lenses[camera.name], X_BaseCamera, points)
            if np.isfinite(pixels).all():
                seen.append((kind, pixels.round(1).tolist()))
        return seen

    def _X_BaseCamera(self, camera: CameraConfig, tip: Pose | None) -> Pose | None:
        in_link = self._poses_in_link[camera.name]
        if camera.link == self._cell.arm.model.base_link:
            return in_link
        return None if tip is None else tip @ self._X_TipLink @ in_link
