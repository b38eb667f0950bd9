"""What a node's program says where its Python lacks something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "ros2_ws/src/pushcell_ros"

PROGRAM = """
import sys

class Lack:
    def find_spec(self, name, path=None, target=None):
        if name in {lacking!r}.split():
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.path.insert(0, {package!r})
sys.meta_path.insert(0, Lack())
from pushcell_ros.start import main
main()
"""


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ("pushcell diagnostic_msgs", "has no pushcell: build the workspace again"),
        ("rclpy", "cannot load rclpy: source the setup.sh"),
        ("rosbags", "has no rosbags: pip install 'pushcell[data]'"),
        ("pushcell.config", "and this workspace do not fit (No module named 'pushcell.config')"),
        ("diagnostic_msgs", "cannot load a module (No module named 'diagnostic_msgs')"),
    ],
)
def test_a_python_that_lacks_modules(lacking: str, told: str, tmp_path: Path) -> None:
    """A program as colcon makes it, with modules hidden from it."""
    program = tmp_path / "motion_node"
    program.write_text(PROGRAM.format(package=str(PACKAGE), lacking=lacking))
    done = subprocess.run([sys.executable, program, "--help"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: motion_node cannot start: ")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_ros_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "motion_node"
    program.write_text(PROGRAM.format(package=str(PACKAGE), lacking=""))
    environment = {**os.environ, "ROS_DISTRO": "humble"}
    command = [sys.executable, program, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "error: motion_node cannot start: this is ROS 2 humble, the nodes run on" in done.stderr
    assert "Traceback" not in done.stderr
