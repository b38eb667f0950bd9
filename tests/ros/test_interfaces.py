"""docs/interfaces.md is what the nodes have, and viewers look at what there is."""

import importlib.util
import json
import re
import sys
from xml.etree import ElementTree

import pytest
import yaml

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from tests.conftest import ROOT

PATH = ROOT / "docs" / "make_interfaces.py"
SPEC = importlib.util.spec_from_file_location("make_interfaces", PATH)
INTERFACES = importlib.util.module_from_spec(SPEC)
NODES = {
    path.stem
    for path in (ROOT / "ros2_ws/src/pushcell_ros/pushcell_ros").glob("*_node.py")
    if "def main()" in path.read_text()
}


@pytest.fixture(scope="module", autouse=True)
def loaded():
    for module in ("pydrake", "onnxruntime", "aiohttp", "rosbags"):
        pytest.importorskip(module, reason="not every node can be made here")
    sys.modules[SPEC.name] = INTERFACES  # dataclasses look it up there
    SPEC.loader.exec_module(INTERFACES)


def test_every_node_is_on_the_page(tmp_path):
    assert {sample.module for sample in INTERFACES.samples(tmp_path)} == NODES


@pytest.mark.skipif(
    importlib.util.find_spec("tf2_msgs") is not None,
    reason="with tf2_msgs frames_node has more than the page, which is written without, lists",
)
def test_the_page_is_what_the_nodes_have():
    text = INTERFACES.PAGE.read_text(encoding="utf-8")
    _, mark, written = text.partition(INTERFACES.BEGIN)
    assert mark
    assert written.strip() == INTERFACES.page().strip(), f"python {PATH.relative_to(ROOT)}"


def test_the_security_policy_is_what_the_nodes_have():
    written = INTERFACES.POLICY.read_text(encoding="utf-8")
    assert written == INTERFACES.policy(), f"python {PATH.relative_to(ROOT)}"


def test_only_who_commands_the_arm_may_do_so():
    policy = ElementTree.parse(INTERFACES.POLICY)
    may = {
        profile.get("node")
        for profile in policy.iter("profile")
        for group in profile.findall("topics[@publish='ALLOW']")
        if "arm/joint_command" in [topic.text for topic in group]
    }
    assert may == {"motion_node", "calibrate_node"}


def test_viewers_look_at_topics_that_there_are():
    page = INTERFACES.PAGE.read_text(encoding="utf-8")
    published = set(re.findall(r"^\| publishes \| `([^`]+)`", page, re.MULTILINE))
    published |= {name.replace("overhead", "wrist") for name in published} | {"diagnostics"}
    layout = json.loads((ROOT / "config/foxglove/pushcell.json").read_text())
    rviz = yaml.safe_load((ROOT / "config/rviz/pushcell.rviz").read_text())
    named = json.dumps(layout["configById"]) + json.dumps(rviz["Visualization Manager"])
    topics = set(re.findall(r'"/([a-z_/]+)[".]', named))
    assert len(topics) >= 8
    assert topics <= published
    panels = set(re.findall(r'"(\w+!\w+)"', json.dumps(layout["layout"])))
    assert panels == set(layout["configById"])
