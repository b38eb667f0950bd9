"""pip, colcon and the ROS package agree with each other."""

import ast
import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with colcon

import pushcell
from pushcell.ros_release import RELEASES
from tests.conftest import ROOT

PACKAGE = ROOT / "ros2_ws" / "src" / "pushcell_ros"
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)["project"]
MANIFEST = ET.parse(PACKAGE / "package.xml").getroot()
SETUP = {
    keyword.arg: keyword.value.value
    for node in ast.walk(ast.parse((PACKAGE / "setup.py").read_text()))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    for keyword in node.keywords
    if isinstance(keyword.value, ast.Constant)
}
ROOMS = ("calibration", "policy_server", "pushcell", "teleop")
OWN = {*ROOMS, "benchmarks", "pushcell_ros"}
# Where module, distribution and rosdep key have not one name.
MODULES = {"cv2": "opencv-python-headless", "yaml": "pyyaml"}
KEYS = {"opencv-python-headless": "opencv", "pyyaml": "yaml"}
# What no system package has: pip brings it.
WITHOUT_KEY = {"rosbags", "tyro"}


def test_one_version():
    assert SETUP["version"] == PROJECT["version"] == MANIFEST.findtext("version")
    assert SETUP["version"] == pushcell.__version__


def test_setup_and_manifest_say_the_same():
    for key in ("name", "description", "license", "maintainer"):
        assert SETUP[key] == MANIFEST.findtext(key), key
    assert SETUP["maintainer_email"] == MANIFEST.find("maintainer").get("email")
    assert SETUP["license"] == PROJECT["license"]["text"]


def test_the_manifest_depends_on_what_the_nodes_need_and_on_nothing_else():
    imported = third_party_imports(PACKAGE / "pushcell_ros")
    ros = {name for name in imported if re.fullmatch(r"rclpy|\w+_(msgs|srvs|interfaces)", name)}
    required = {re.match(r"[\w-]+", text)[0] for text in PROJECT["dependencies"]}
    needed = {MODULES.get(name, name) for name in imported - ros} | required
    keys = {f"python3-{KEYS.get(name, name)}" for name in needed - WITHOUT_KEY}
    declared = [element.text for element in MANIFEST.findall("exec_depend")]
    assert sorted(declared) == sorted(
        ros | keys | {"robot_state_publisher", "ros2launch", "launch_yaml"}
    )


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_the_wheels_of_ros_are_those_that_the_nodes_need(release):
    """Of messages; others come with rclpy itself."""
    extra = PROJECT["optional-dependencies"][release.extra]
    assert any(text.startswith(f"ros-rclpy[fastrtps]=={release.rclpy}.") for text in extra)
    wheels = {re.match(r"[\w-]+", text)[0] for text in extra}
    imported = third_party_imports(PACKAGE / "pushcell_ros")
    for wheel in wheels - {f"ros-{release.name}-rclpy", "ros-rclpy"}:
        assert wheel.removeprefix("ros-").replace("-", "_") in imported, wheel


def test_every_dependency_of_the_library_is_used():
    imported = set().union(*(third_party_imports(ROOT / name) for name in ROOMS))
    used = {MODULES.get(name, name) for name in imported}
    assert {re.match(r"[\w-]+", text)[0] for text in PROJECT["dependencies"]} <= used


def third_party_imports(folder: Path) -> set[str]:
    """The modules of other packages that the files of a folder import."""
    nodes = [
        node for path in folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))
    ]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, *OWN}


def test_every_python_package_is_installed():
    listed = set(
        re.findall(
            r'^  "((?:pushcell|policy_server|teleop|calibration)[\w.]*)",$', PYPROJECT, re.MULTILINE
        )
    )
    found = {
        str(init.parent.relative_to(ROOT)).replace("/", ".")
        for room in ROOMS
        for init in (ROOT / room).rglob("__init__.py")
    }
    shared = {f"pushcell.share.{folder}" for folder in ("bundles", "config", "launch")}
    assert found | shared | {"pushcell_ros"} == listed


def test_every_node_has_its_executable():
    setup = (PACKAGE / "setup.py").read_text()
    nodes = {path.stem for path in (PACKAGE / "pushcell_ros").glob("*_node.py")}
    nodes -= {"base_node", "commanding_node", "driving_node", "pad_map_node", "stepping_node"}
    nodes -= {"stop_switches_node"}
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


def test_the_dockerfile_takes_the_steps_of_the_readme():
    section = (ROOT / "README.md").read_text().partition("## On a ROS 2 machine")[2]
    dockerfile = (ROOT / "Dockerfile").read_text()
    *steps, source, launch = re.split(r" && |\n", section.split("```")[1].strip())
    assert source == ". install/setup.sh"
    assert ". ros2_ws/install/setup.bash" in dockerfile
    for step in steps:
        assert step.removesuffix(".sh") in dockerfile
    assert json.dumps(launch.split()) in dockerfile
    assert "rosdep install" in section
    assert "rosdep install -y --from-paths ros2_ws/src --ignore-src" in dockerfile


def test_no_file_names_a_path_of_one_machine():
    text_files = [
        *ROOT.glob("*.md"),
        *Path(ROOT / "docs").glob("*.md"),
        *ROOT.glob("config/**/*.yaml"),
    ]
    for path in text_files:
        assert "/home/" not in path.read_text(), path
