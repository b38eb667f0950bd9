"""pip, colcon and the ROS package agree with each other."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import pushcell
from tests.conftest import ROOT

PACKAGE = ROOT / "ros2_ws" / "src" / "pushcell_ros"
PYPROJECT = (ROOT / "pyproject.toml").read_text()


def test_one_version():
    setup = re.search(r'version="([^"]+)"', (PACKAGE / "setup.py").read_text())
    project = re.search(r'^version = "([^"]+)"', PYPROJECT, re.MULTILINE)
    manifest = ET.parse(PACKAGE / "package.xml").findtext("version")
    assert {setup[1], project[1], manifest} == {pushcell.__version__}


def test_every_python_package_is_installed():
    listed = set(
        re.findall(
            r'^  "((?:pushcell|policy_server|teleop|calibration)[\w.]*)",$', PYPROJECT, re.MULTILINE
        )
    )
    rooms = [ROOT / name for name in ("pushcell", "policy_server", "teleop", "calibration")]
    found = {
        str(init.parent.relative_to(ROOT)).replace("/", ".")
        for room in rooms
        for init in room.rglob("__init__.py")
    }
    shared = {f"pushcell.share.{folder}" for folder in ("bundles", "config", "launch")}
    assert found | shared | {"pushcell_ros"} == listed


def test_every_node_has_its_executable():
    setup = (PACKAGE / "setup.py").read_text()
    nodes = {path.stem for path in (PACKAGE / "pushcell_ros").glob("*_node.py")}
    nodes -= {"base_node", "commanding_node", "driving_node"}
    assert set(re.findall(r'"(\w+_node)"', setup)) == nodes
    for node in nodes:
        assert "def main() -> None:" in (PACKAGE / "pushcell_ros" / f"{node}.py").read_text()


@pytest.mark.parametrize("name", ["bundles", "config", "launch"])
def test_links_into_the_package(name):
    link = PACKAGE / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / name
    assert not (ROOT / name / "__init__.py").exists(), "it would shadow ROS's launch module"


def test_torch_comes_with_train_and_dev_alone():
    extra, with_torch = "", set()
    for line in PYPROJECT.splitlines():
        begun = re.match(r"(\w+) = \[", line)
        extra = begun[1] if begun else extra
        if '"torch' in line:
            with_torch.add(extra)
            assert re.search(r'"torch==\d', line), "pinned"
    assert with_torch == {"train"}


def test_every_imported_message_package_is_declared():
    manifest = (PACKAGE / "package.xml").read_text()
    for path in (PACKAGE / "pushcell_ros").glob("*.py"):
        for package in re.findall(
            r"^from (\w+)\.(?:msg|srv) import", path.read_text(), re.MULTILINE
        ):
            assert f"<exec_depend>{package}</exec_depend>" in manifest, f"{package} in {path.name}"


def test_no_file_names_a_path_of_one_machine():
    text_files = [
        *ROOT.glob("*.md"),
        *Path(ROOT / "docs").glob("*.md"),
        *ROOT.glob("config/**/*.yaml"),
    ]
    for path in text_files:
        assert "/home/" not in path.read_text(), path
