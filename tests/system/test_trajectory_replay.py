"""The recorded path of a pusher, driven again in the simulated cell through the motion guard."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("pydrake", reason="no drake: install pushcell[sim]")

from tests.conftest import SIM_CELL
from tests.replay.examples import heard, write_bag

PATIENCE_S = 240.0
RECORDED_S = 4.0  # the pusher goes to and fro at 4 cm/s


@pytest.mark.timeout(300)
def test_the_path_is_driven_and_its_deviation_is_printed(cell, tmp_path):
    bag = write_bag(tmp_path / "it.mcap", heard(cell, RECORDED_S))
    words = [f"cell:={SIM_CELL}", f"recording:={bag}", "runs:=1"]
    run = subprocess.run(
        [sys.executable, "-m", "pushcell.cli", "launch", "trajectory_replay.launch.yaml", *words],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    (result,) = (tmp_path / "runs").glob("*/trajectory_replay.json")
    figures = json.loads(result.read_text())
    assert figures["stops"] == [], output
    assert figures["seconds"] == pytest.approx(RECORDED_S, abs=0.1)
    (deviation_m,) = figures["runs"]
    assert 0.0 < deviation_m["p95"] < 0.003
    assert deviation_m["max"] < 0.01
