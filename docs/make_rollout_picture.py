"""Makes the animation of the README: ``python docs/make_rollout_picture.py``.

It runs one trial of a shipped policy in the target world, in lock step, and renders its states: the
cell from the side, and the overhead camera with the goal (green) and the slider (red).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from make_pictures import OVERVIEW
from numpy.typing import NDArray
from PIL import Image

from pushcell.arm.kinematics import ArmKinematics
from pushcell.cameras.overlay import draw_task
from pushcell.config.cell import CellConfig, load_cell
from pushcell.evaluation.trial import Evaluation
from pushcell.geometry import PlanarPose, Pose
from pushcell.simulation.closed_loop import TrialResult
from pushcell.simulation.rendering import SceneRenderer
from pushcell.task import Task

PICTURE = Path(__file__).resolve().parent / "rollout.webp"
POLICY, SEED, TIME_STEP_S = "target_image", 2004, 0.005
SPEED = 2.0
RENDERED_PX = (320, 240)
SIDE_COLUMNS, OVERHEAD_COLUMNS = slice(45, 285), slice(20, 260)  # of both views, side by side
PAUSE_S = 2.0  # at the end, before the animation starts again


def main() -> None:
    """One trial, as a WebP animation."""
    cell = load_cell("sim")
    evaluation = Evaluation(cell, POLICY, "target", TIME_STEP_S)
    result = evaluation.rollout(SEED)
    frames = [Image.fromarray(image) for image in rendered(cell, evaluation.task, result)]
    period_ms = 1e3 * float(np.diff(result.times_s).mean()) / SPEED
    durations_ms = [round(period_ms)] * len(frames)
    durations_ms[-1] = round(1e3 * PAUSE_S)
    frames[0].save(
        PICTURE,
        save_all=True,
        append_images=frames[1:],
        duration=durations_ms,
        loop=0,
        quality=60,
        method=4,
    )
    print(f"{result.reason}; {len(frames)} frames, {PICTURE.stat().st_size / 1e6:.2f} MB")


def rendered(cell: CellConfig, task: Task, result: TrialResult) -> Iterator[NDArray[np.uint8]]:
    """An RGB image (H, W, 3) of each state."""
    renderer, kinematics = SceneRenderer(cell, "target"), ArmKinematics(cell)
    side = OVERVIEW.changed(link=cell.arm.model.base_link).resized(*RENDERED_PX)
    overhead = cell.camera("overhead").resized(*RENDERED_PX)
    joints = kinematics.home_joints(np.array(cell.task.pusher_home_m))
    height_m = cell.simulated.physics.slider_height_m / 2
    for slider, pusher in zip(result.slider_poses, result.pusher_positions, strict=True):
        joints = kinematics.follow(kinematics.pusher_posture(pusher), joints)
        pose = PlanarPose(*slider)
        renderer.pose(joints, Pose.from_planar(pose, height_m))
        view = renderer.image(overhead)
        draw_task(view, overhead, overhead.pose_in_link, task, pose)
        yield np.hstack([renderer.image(side)[:, SIDE_COLUMNS], view[:, OVERHEAD_COLUMNS]])


if __name__ == "__main__":
    main()
