"""The examples of docs/extending.md: each is run as its reader would run it."""

import importlib
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from pushcell.config.plugins import load_plugin
from pushcell.errors import ConfigError
from teleop.devices.pad_map import load_map
from tests.conftest import ROOT, SIM_CELL

EXAMPLES = ROOT / "docs" / "examples"
DOMAIN = 96
PATIENCE_S = 60.0


def started(*words: str) -> "subprocess.Popen[str]":
    paths = [str(EXAMPLES), os.environ.get("PYTHONPATH", "")]
    environment = {"ROS_DOMAIN_ID": str(DOMAIN), "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def first_message(node: str, parameters: dict[str, object], kind: str, topic: str):
    """What a node says first on a topic, and the node is ended."""
    rclpy = pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
    package, _, name = kind.split("/")
    message = getattr(importlib.import_module(f"{package}.msg"), name)
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    process = started("-m", f"pushcell_ros.{node}", "--ros-args", *words)
    rclpy.init(domain_id=DOMAIN)
    try:
        listener, heard = rclpy.create_node("listener"), []
        listener.create_subscription(message, topic, heard.append, 10)
        until = time.monotonic() + PATIENCE_S
        while not heard and time.monotonic() < until:
            rclpy.spin_once(listener, timeout_sec=0.1)
    finally:
        rclpy.shutdown()
        process.terminate()
        process.communicate(timeout=30)
    assert heard, f"{node} said nothing on {topic}"
    return heard[0]


def test_a_camera_of_ones_own():
    parameters = {"cell": SIM_CELL, "camera": "wrist", "driver": "gradient_camera:open_camera"}
    topic = "/camera/wrist/color/image_raw"
    image = first_message("camera_node", parameters, "sensor_msgs/msg/Image", topic)
    row = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)[0, :, 0]
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row.astype(int)) >= 0).all()


def test_an_arm_of_ones_own(tmp_path):
    values = yaml.safe_load((ROOT / "config" / "cell.ros2_control.yaml").read_text())
    start = values["arm"]["nominal_joints_rad"]
    options = {"rate_hz": 200.0, "start_rad": start}
    values["arm"]["link"] = {"kind": "plugin", "driver": "ideal_arm:IdealArm", "options": options}
    cell = tmp_path / "cell.yaml"
    cell.write_text(yaml.safe_dump(values))
    joints = first_message(
        "arm_node", {"cell": cell}, "sensor_msgs/msg/JointState", "/joint_states"
    )
    np.testing.assert_allclose(joints.position, start)


def test_a_device_of_ones_own():
    pedal = load_map(str(EXAMPLES / "foot_pedal.yaml"))
    assert pedal.deadman.pressed([0.0, 0.0], [0, 0, 0, 0, 1])
    assert pedal.right.value([-1.0, 0.0], []) == 1.0


def test_a_policy_of_ones_own(cell):
    open_policy_module = pytest.importorskip(
        "policy_server.open_policy", reason="install pushcell[policy]"
    )
    from policy_server.onnx_networks import RuntimeOptions
    from policy_server.policy import ChunkRequest

    process = started(str(EXAMPLES / "homing_policy.py"), "0")
    try:
        port = re.search(r"port (\d+)", process.stdout.readline())[1]
        policy = open_policy_module.open_policy(
            f"ws://127.0.0.1:{port}", cell, RuntimeOptions(), PATIENCE_S
        )
        assert policy.manifest.kind == "programmed"
        assert policy.manifest.training.data_sets == ()
        here = np.array([0.5, 0.0])
        chunk = policy.infer(ChunkRequest({"pusher": np.array([[*here, 0.5]])}, seed=0))
        policy.close()
    finally:
        process.kill()
        process.communicate()
    far = np.linalg.norm(chunk - np.array(cell.task.pusher_home_m), axis=1)
    assert (np.diff(far) < 0).all()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no_such_module:open", "there is no module no_such_module; install it"),
        ("pushcell.config.plugins:nothing", "has no function or class of that name"),
    ],
)
def test_a_plugin_that_is_not_there_is_one_sentence(name, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)) as error:
        load_plugin(name, "arm.link.driver")
    assert "arm.link.driver" in str(error.value)


def test_the_document_shows_what_is_tested():
    text = (ROOT / "docs" / "extending.md").read_text()
    for path in EXAMPLES.iterdir():
        if path.is_file():
            assert f"examples/{path.name}" in text
