"""A camera of the simulated cell as it stands: to try what works with cameras without one.

In the running simulated cell `render_node` draws the cameras, of the scene as it moves.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig
from pushcell.drivers.camera import CameraRequest
from pushcell.drivers.paced_camera import PacedCamera
from pushcell.geometry import Pose
from pushcell.simulation.rendering import SceneRenderer
from pushcell.task import Task


class SimulatedCamera(PacedCamera):
    """Pusher at home, slider at the goal."""

    clock = "simulated"

    def __init__(self, cell: CellConfig, camera: str, request: CameraRequest) -> None:
        super().__init__(f"simulated camera {camera}", request)
        self._cell = cell
        self._camera = cell.camera(camera).resized(request.width_px, request.height_px)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """The same picture again and again."""
        task = Task.of(self._cell.task, self._cell.pusher.radius_m)
        joints = ArmKinematics(self._cell).home_joints(task.pusher_home)
        renderer = SceneRenderer(self._cell, "target")
        middle_m = self._cell.simulated.physics.slider_height_m / 2
        image = renderer.render(joints, Pose.from_planar(task.goal, middle_m), self._camera)
        while True:
            yield image.copy()
