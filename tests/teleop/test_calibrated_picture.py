"""What a page draws, and where a press leads, is as the cell's calibration has it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")

from pushcell.cameras.camera_info import camera_info_text
from pushcell.cameras.camera_model import Lens
from pushcell.cameras.overlay import project
from pushcell.cameras.table_projection import picture_axes
from pushcell.config.cell import load_cell
from pushcell.geometry import Pose
from pushcell.task import Task
from teleop.console.backend import ConsoleBackend
from teleop.console.messages import OperatorInput
from teleop.devices.shaping import StickSpeed
from tests.conftest import SIM_CELL


@pytest.fixture
def calibrated(tmp_path, cell):
    """A cell whose overhead camera was found elsewhere and bent, with what was found."""
    said = cell.camera("overhead")
    lens = Lens(
        said.matrix * [[1.03], [0.98], [1.0]],
        np.array([-0.15, 0.02, 0.001, 0.0, 0.0]),
        (said.width_px, said.height_px),
    )
    pose = said.pose_in_link @ Pose.from_xyz_rpy([0.02, -0.015, 0.01], [0.02, 0.01, 0.3])
    (tmp_path / "lens.yaml").write_text(camera_info_text(lens, "overhead"))
    found = {"setup": "eye-to-hand", "transform": pose.matrix().tolist()}
    (tmp_path / "hand_eye.json").write_text(json.dumps(found))
    named = "{camera: overhead, intrinsics: lens.yaml, hand_eye: hand_eye.json}"
    (tmp_path / "cell.yaml").write_text(f"{SIM_CELL.read_text()}calibration:\n  - {named}\n")
    return load_cell(tmp_path / "cell.yaml"), lens, pose


def test_goal_press_and_stick(calibrated):
    cell, lens, pose = calibrated
    said = []
    cell_interface = SimpleNamespace(
        simulated_time=False, call=None, activate_policy=None, say_joy=lambda *joy: said.append(joy)
    )
    backend = ConsoleBackend(cell, cell_interface, "none", 0)
    task = Task.of(cell.task, cell.pusher.radius_m)
    goal = task.shape.outline_at(task.goal)
    seen = project(lens, pose, np.column_stack([goal, np.zeros(len(goal))]))
    drawn = {kind: np.array(corners) for kind, corners in backend.outlines("overhead")}
    assert np.abs(drawn["goal"] - seen).max() < 0.06
    place = np.array([0.6, 0.05])
    (pixel,) = project(lens, pose, [[*place, cell.pusher.tip_height_m]])
    backend.on_input(OperatorInput(run=False, drag=tuple(pixel), keys=frozenset(), pad=None))
    assert said[0][1] == pytest.approx(place, abs=1e-5)
    assert StickSpeed.of(cell).axes == pytest.approx(picture_axes(pose))
