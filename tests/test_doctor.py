"""``pushcell doctor`` on this very machine, and on one that it is told to be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        "advice": "source ROS 2 jazzy instead",
    }


def test_a_middleware_profile_that_is_not_there_is_red():
    code, findings = examined("sim", FASTRTPS_DEFAULT_PROFILES_FILE="/nowhere.xml")
    assert code == 1
    assert "/nowhere.xml" in findings["DDS"]["found"]
