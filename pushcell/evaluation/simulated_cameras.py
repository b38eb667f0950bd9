"""What a policy's cameras see of a world that has no arm: it is drawn where its tip would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy_server.bundle_sections import ObservationSpec
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.simulation.rendering import SceneRenderer
from pushcell.simulation.shifted_world import told_cell
from pushcell.simulation.shifts import Shifts, VisualRandomization, World


@dataclass(frozen=True)
class SceneView:
    """What a camera has before it at a moment: where the slider is, and the arm's joints [rad]."""

    slider: PlanarPose
    joints: Array


class SimulatedCameras:
    """Images at the size that the policy's are stored in, drawn as those of demonstrations are."""

    def __init__(
        self, cell: CellConfig, spec: ObservationSpec, world: World, shifts: Shifts
    ) -> None:
        self._sizes = {c.name: (c.width_px, c.height_px) for c in spec.cameras}
        self._kinematics = ArmKinematics(cell)
        self._height_m = cell.simulated.physics.slider_height_m / 2
        self._home = np.array(cell.task.pusher_home_m)
        self._randomization = VisualRandomization(cell, world, shifts)
        appearance = self._randomization.draw(np.random.default_rng(0)).appearance
        self._renderer = SceneRenderer(told_cell(cell, shifts), appearance)
        self.begin(np.random.default_rng(0))

    def begin(self, rng: np.random.Generator) -> None:
        """A new trial, with an appearance of its own; the arm is at home."""
        visuals = self._randomization.draw(rng)
        if self._randomization.vary:
            self._renderer.recolour(visuals.appearance)
        self.cameras = [
            c.resized(*self._sizes[c.name]) for c in visuals.cameras if c.name in self._sizes
        ]
        self._joints = self._kinematics.home_joints(self._home)

    def follow(self, pusher: Array) -> None:
        """Move the arm's tip to (2,) [m]; raises PlanningError where it does not reach."""
        posture = self._kinematics.pusher_posture(pusher)
        self._joints = self._kinematics.follow(posture, self._joints)

    def view(self, slider: PlanarPose) -> SceneView:
        """Of this moment."""
        return SceneView(slider, self._joints)

    def images(self, views: Mapping[str, SceneView]) -> dict[str, NDArray[np.uint8]]:
        """RGB images (H, W, 3) by camera, each of its own view."""
        images, posed = {}, None
        for camera in self.cameras:
            view = views[camera.name]
            if view is not posed:
                slider = Pose.from_planar(view.slider, self._height_m)
                self._renderer.pose(view.joints, slider)
                posed = view
            images[camera.name] = self._renderer.image(camera)
        return images
