"""Renders what the cameras see under each shift: ``python docs/make_shift_picture.py``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig, load_cell
from pushcell.geometry import PlanarPose, Pose
from pushcell.simulation.rendering import SceneRenderer
from pushcell.simulation.shifts import Shifts, VisualRandomization, shifted_cell
from pushcell.task import SLIDERS

DOCS = Path(__file__).resolve().parent
SLIDER = PlanarPose(0.60, -0.09, 0.9)
PUSHER_M = (0.53, 0.02)
SIZE_PX = (128, 128)
LABEL_PX = 18
LEVELS = range(1, 5)


def main() -> None:
    """A row a shift, a column a level; at the end the other objects, and the target world."""
    cell = load_cell(DOCS.parent / "config" / "cell.sim.yaml")
    rows = [
        [_seen(cell, f"{name}={level}") for level in LEVELS]
        for name in ("colour_mean", "colour_randomisation", "camera")
    ]
    objects = [_seen(cell, f"object={name}") for name in SLIDERS if name != "t"]
    rows += [objects[:4], [*objects[4:], _seen(cell), _seen(cell, visual_gap=False)]]
    picture = np.vstack([np.hstack(row) for row in rows])
    cv2.imwrite(str(DOCS / "shifts.png"), picture[:, :, ::-1])


def _seen(cell: CellConfig, *shift: str, visual_gap: bool = True) -> NDArray[np.uint8]:
    """Overhead beside wrist, under a label."""
    shifts = Shifts.parse(shift, visual_gap)
    visuals = VisualRandomization(cell, "source", shifts).draw(np.random.default_rng(3))
    renderer = SceneRenderer(shifted_cell(cell, shifts), visuals.appearance)
    slider = Pose.from_planar(SLIDER, cell.simulated.physics.slider_height_m / 2)
    renderer.pose(ArmKinematics(cell).home_joints(PUSHER_M), slider)
    images = np.hstack([renderer.image(camera.resized(*SIZE_PX)) for camera in visuals.cameras])
    label = np.full((LABEL_PX, images.shape[1], 3), 255, np.uint8)
    text = " ".join(shift) or ("source world" if visual_gap else "no visual gap")
    cv2.putText(label, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([label, images])


if __name__ == "__main__":
    main()
