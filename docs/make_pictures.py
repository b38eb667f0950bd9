"""Renders the pictures of the documentation: ``python docs/make_pictures.py``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pushcell.arm.kinematics import ArmKinematics
from pushcell.cameras.overlay import draw_task
from pushcell.config.cell import CameraConfig, load_cell
from pushcell.geometry import PlanarPose, Pose
from pushcell.simulation.rendering import SceneRenderer
from pushcell.task import Task

DOCS = Path(__file__).resolve().parent
SLIDER = PlanarPose(0.56, -0.12, 0.9)
PUSHER_M = (0.50, -0.02)
CELLS = {"sim": "cell.png", "ur5e_sim": "cell_ur5e.png"}
OVERVIEW = CameraConfig(
    name="overview",
    link="base",
    xyz_m=(1.45, 1.05, 0.95),
    rpy_rad=(-2.08, 0.0, 2.3),
    width_px=960,
    height_px=720,
    fx_px=900.0,
    fy_px=900.0,
    cx_px=479.5,
    cy_px=359.5,
    rate_hz=1.0,
)


def main() -> None:
    """Every simulated cell."""
    for name, picture in CELLS.items():
        cv2.imwrite(str(DOCS / picture), cv2.cvtColor(drawn(name), cv2.COLOR_RGB2BGR))


def drawn(name: str) -> np.ndarray:
    """A cell from aside, with what its two cameras see beside it."""
    cell = load_cell(name)
    joints = ArmKinematics(cell).home_joints(PUSHER_M)
    slider = Pose.from_planar(SLIDER, cell.simulated.physics.slider_height_m / 2)
    renderer = SceneRenderer(cell, "target")
    aside = OVERVIEW.changed(link=cell.arm.model.base_link)
    overview = renderer.render(joints, slider, aside)
    task = Task.of(cell.task, cell.pusher.radius_m)
    views = []
    for name in ("overhead", "wrist"):
        camera = cell.camera(name).resized(480, 360)
        view = renderer.render(joints, slider, camera)
        if name == "overhead":
            draw_task(view, camera, camera.pose_in_link, task, SLIDER)
        views.append(view)
    return np.hstack([overview, np.vstack(views)])


if __name__ == "__main__":
    main()
