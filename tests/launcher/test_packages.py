"""Which programs a launch file's nodes are, and why one cannot be started."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pushcell.launcher.packages import find_program, find_share
from tests.conftest import ROOT

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def _rclpy() -> None:
    pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")


def prefix(folder: Path, package: str, python: str) -> dict[str, str]:
    """The environment in which a workspace is sourced that was built with that Python."""
    marker = folder / "share/ament_index/resource_index/packages" / package
    marker.parent.mkdir(parents=True)
    marker.touch()
    (folder / f"lib/python{python}/site-packages").mkdir(parents=True)
    programs = folder / "lib" / package
    programs.mkdir()
    (programs / "arm_node").touch(mode=0o755)
    return {"AMENT_PREFIX_PATH": str(folder)}


def test_a_program_of_a_sourced_workspace(tmp_path: Path) -> None:
    environment = prefix(tmp_path, "arms", RUNNING)
    assert find_program("arms", "arm_node", environment) == (f"{tmp_path}/lib/arms/arm_node",)


@pytest.mark.parametrize("package", ["pushcell_ros", "arms", "rclpy"])
def test_a_workspace_built_with_another_python(package: str, tmp_path: Path) -> None:
    environment = prefix(tmp_path, package, "3.9")
    asked = "pushcell_ros" if package == "rclpy" else package
    told = f"{package} in {tmp_path} was built with Python 3.9, this is Python {RUNNING}"
    with pytest.raises(ValueError, match=re.escape(told) + ".*: use Python 3.9, or build"):
        find_program(asked, "arm_node", environment)


def test_a_workspace_that_is_not_sourced() -> None:
    with pytest.raises(ValueError, match=r"source the setup\.sh of the workspace that contains it"):
        find_program("arms", "arm_node", {})


def test_the_share_of_our_own_package() -> None:
    assert find_share("pushcell_ros", {}) == str(ROOT)
