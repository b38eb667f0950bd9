"""Renders the camera images of an episode that has been run already."""

from __future__ import annotations

import numpy as np

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.geometry import PlanarPose, Pose
from pushcell.recording.steps import Images
from pushcell.simulation.closed_loop import TrialResult
from pushcell.simulation.rendering import SceneRenderer
from pushcell.simulation.shifts import Visuals


class EpisodeRenderer:
    """Square images of ``image_px``; the arm is drawn as its kinematics have it."""

    def __init__(self, cell: CellConfig, image_px: int, colours_vary: bool) -> None:
        self._cell = cell
        self._size = (image_px, image_px)
        self._colours_vary = colours_vary
        self._kinematics = ArmKinematics(cell)
        self._height_m = cell.simulated.physics.slider_height_m / 2
        self._renderer: SceneRenderer | None = None

    def cameras(self, visuals: Visuals) -> tuple[CameraConfig, ...]:
        """The cameras' models, as their images are."""
        return tuple(camera.resized(*self._size) for camera in visuals.cameras)

    def images(self, trial: TrialResult, visuals: Visuals) -> Images:
        """(T, H, W, 3) of each camera at the trial's states.

        Raises PlanningError where the arm does not reach.
        """
        renderer, cameras = self._prepared(visuals), self.cameras(visuals)
        count = len(trial.times_s)
        images = {c.name: np.empty((count, *self._size, 3), np.uint8) for c in cameras}
        joints = self._kinematics.home_joints(trial.pusher_positions[0])
        rows = zip(trial.pusher_positions, trial.slider_poses, strict=True)
        for k, (pusher, slider) in enumerate(rows):
            joints = self._kinematics.follow(self._kinematics.pusher_posture(pusher), joints)
            renderer.pose(joints, Pose.from_planar(PlanarPose.from_array(slider), self._height_m))
            for camera in cameras:
                images[camera.name][k] = renderer.image(camera)
        return images

    def _prepared(self, visuals: Visuals) -> SceneRenderer:
        if self._renderer is None:
            self._renderer = SceneRenderer(self._cell, visuals.appearance)
        # For the first episode too: a recoloured renderer draws some shadows otherwise.
        if self._colours_vary:
            self._renderer.recolour(visuals.appearance)
        return self._renderer
