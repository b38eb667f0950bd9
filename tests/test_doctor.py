"""``pushcell doctor`` on this very machine, and on one that it is told to be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushcell.doctor import network, software
from pushcell.doctor.finding import Severity

ROOT = Path(__file__).resolve().parent.parent


def examined(cell: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    words = ["doctor", "--cell", f"config/cell.{cell}.yaml", "--json", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "pushcell.cli", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["findings"]
    return done.returncode, {finding["what"]: finding for finding in found}


def test_what_is_not_green_says_what_to_do():
    code, findings = examined("sim")
    assert code == int(any(f["level"] == "red" for f in findings.values()))
    assert findings["Python"]["level"] == "green"
    assert findings["arm link"]["level"] == "green"
    for finding in findings.values():
        assert finding["found"]
        assert finding["advice"] or finding["level"] == "green", finding


def test_a_real_arm_that_is_not_there_is_red():
    pytest.importorskip("pydrake", reason="no drake: install pushcell[hardware]")
    code, findings = examined("iiwa")
    assert code == 1
    assert findings["arm link"]["level"] == "red"
    assert "IIWA_STATUS" in findings["arm link"]["found"]


def test_another_ros_is_red():
    code, findings = examined("sim", ROS_DISTRO="humble")
    assert code == 1
    assert findings["ROS"] == {
        "what": "ROS",
        "level": "red",
        "found": "humble is sourced",
        "advice": "source ROS 2 jazzy or kilted instead",
    }


@pytest.mark.parametrize(
    ("environment", "level"),
    [
        ({}, Severity.YELLOW),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, Severity.YELLOW),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, Severity.GREEN),
        ({"ROS_SECURITY_ENABLE": "true"}, Severity.YELLOW),
        ({"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"}, Severity.GREEN),
    ],
)
def test_what_is_open_is_named(monkeypatch, environment, level):
    for name in [name for name in os.environ if name.startswith(("ROS_AUTO", "ROS_SEC"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert [finding.level for finding in network.examine()] == [level]


def workspace(folder: Path, python: str) -> Path:
    """A prefix that says it has pushcell_ros, built with that version of Python."""
    marker = folder / "share/ament_index/resource_index/packages/pushcell_ros"
    marker.parent.mkdir(parents=True)
    marker.touch()
    (folder / f"lib/python{python}/site-packages").mkdir(parents=True)
    return folder


def test_a_workspace_of_another_python_is_red(tmp_path):
    prefix = workspace(tmp_path, "3.9")
    code, findings = examined("sim", AMENT_PREFIX_PATH=str(prefix))
    assert code == 1
    assert findings["workspace"]["level"] == "red"
    assert f"{prefix} was built with Python 3.9" in findings["workspace"]["found"]
    assert "-m colcon build" in findings["workspace"]["advice"]


def test_a_workspace_of_this_python_is_green(tmp_path):
    prefix = workspace(tmp_path, f"{sys.version_info.major}.{sys.version_info.minor}")
    _, findings = examined("sim", AMENT_PREFIX_PATH=str(prefix))
    assert findings["workspace"]["found"] == f"{prefix} is sourced"


def test_a_workspace_that_is_not_sourced_is_yellow(tmp_path):
    (tmp_path / "install").mkdir()
    (tmp_path / "install/setup.sh").touch()
    finding = software._workspace(tmp_path)
    assert finding.level is Severity.YELLOW
    assert finding.advice.endswith(f". {tmp_path}/install/setup.sh")


def test_a_middleware_profile_that_is_not_there_is_red():
    code, findings = examined("sim", FASTRTPS_DEFAULT_PROFILES_FILE="/nowhere.xml")
    assert code == 1
    assert "/nowhere.xml" in findings["DDS"]["found"]
