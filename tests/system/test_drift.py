"""A camera that moved since its reference was taken: the rollout does not begin."""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from calibration.drift import DriftReference
from calibration.mounted_board import MountedBoard
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import load_cell
from pushcell.geometry import Pose
from pushcell.simulation.rendering import SceneRenderer
from tests.conftest import ROOT, SIM_CELL

DOMAIN = 99
PATIENCE_S = 300.0
BOARD = "charuco:7x5:0.036:0.028:DICT_5X5_50"
NOW, THEN = (f"0.61 {y} 0.005 3.14159265 0 1.5708" for y in (-0.07, -0.064))


@pytest.fixture
def cell_file(tmp_path):
    """Its reference was taken when the board was 6 mm beside where it is now."""
    cell = load_cell(SIM_CELL)
    renderer = SceneRenderer(cell, "target", [MountedBoard.parse(BOARD, "base", THEN)])
    joints = ArmKinematics(cell).home_joints(np.array(cell.task.pusher_home_m))
    slider = Pose.from_planar(cell.task.goal_pose)
    picture = renderer.render(joints, slider, cell.camera("overhead"))
    (tmp_path / "reference.json").write_text(DriftReference.take(picture, BOARD).text())
    values = yaml.safe_load(SIM_CELL.read_text())
    values["calibration"] = [{"camera": "overhead", "reference": "reference.json"}]
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.timeout(600)
def test_a_rollout_refuses_to_begin_and_says_by_how_much_it_moved(cell_file):
    words = [f"cell:={cell_file}", "policy:=planner", "live_view:=false", "video:=false"]
    words += [f"table_board:={BOARD}", f"table_board_pose:={NOW}"]
    run = subprocess.run(
        [sys.executable, "-m", "pushcell.cli", "launch", "launch/rollout.launch.yaml", *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "ROS_DOMAIN_ID": str(DOMAIN)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    told = run.stdout + run.stderr
    assert run.returncode == 2, told
    assert "camera overhead, or its reference board, has moved by" in told
    assert "allowed are 1 px: put it back, or calibrate it again" in told
    assert "trial 1" not in told
