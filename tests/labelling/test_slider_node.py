"""slider_node as a process: the slider by its outline, in a cell without markers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from pushcell.geometry import PlanarPose
from pushcell.labelling.recorded_views import RecordedViews
from pushcell.labelling.session import Labeller
from pushcell.recording.episode_steps import read_steps
from pushcell_ros.conversions import image_message, pose_message, to_planar
from tests.conftest import SIM_CELL

DOMAIN = 78
PATIENCE_S = 150.0


@pytest.fixture
def node() -> Iterator[Node]:
    rclpy.init(domain_id=DOMAIN)
    node = rclpy.create_node("camera_and_arm")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def start(**parameters: str) -> subprocess.Popen[str]:
    words = [f"-p {key}:={value}" for key, value in parameters.items()]
    arguments = " ".join(["--ros-args", f"-p cell:={SIM_CELL}", *words]).split()
    return subprocess.Popen(
        [sys.executable, "-m", "pushcell_ros.slider_node", *arguments],
        env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_publishes_the_pose_and_its_covariance(
    node: Node, simulated: Path, views: RecordedViews, labeller: Labeller, tmp_path: Path
) -> None:
    labeller.appearance.save(tmp_path / "appearance.npz")
    true = PlanarPose.from_array(read_steps(simulated / "episode_000000").slider[-1])
    pushers = node.create_publisher(PoseStamped, "pusher/pose", 1)
    topic = "camera/overhead/color/image_raw"
    images = node.create_publisher(Image, topic, qos_profile_sensor_data)
    found: list[PoseStamped | PoseWithCovarianceStamped] = []

    def find(message: PoseStamped | PoseWithCovarianceStamped) -> None:
        found.append(message)

    node.create_subscription(PoseStamped, "slider/pose", find, 1)
    node.create_subscription(PoseWithCovarianceStamped, "slider/estimate", find, 1)
    process = start(appearance=str(tmp_path / "appearance.npz"))
    deadline = time.monotonic() + PATIENCE_S
    while len({type(message) for message in found}) < 2 and time.monotonic() < deadline:
        stamp = node.get_clock().now().to_msg()
        pushers.publish(pose_message(views.tip_poses[-1], stamp))
        images.publish(Image())  # of no size or encoding: said, and passed over
        images.publish(image_message(views.cameras[0].images[-1], "overhead", stamp))
        rclpy.spin_once(node, timeout_sec=0.1)
        time.sleep(0.1)
    process.terminate()
    output = process.communicate(timeout=30)[0]
    assert {type(message) for message in found} == {PoseStamped, PoseWithCovarianceStamped}, output
    for message in found:
        planar = message if isinstance(message, PoseStamped) else message.pose
        distance_m, angle_rad = to_planar(planar).distance_to(true)
        assert distance_m < 0.004
        assert angle_rad < 0.05
        if isinstance(message, PoseWithCovarianceStamped):
            assert 1e-8 < message.pose.covariance[0] < 1e-5


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, "give either fiducials:=FILE"),
        ({"fiducials": "a.json", "appearance": "a.npz"}, "give either fiducials:=FILE"),
        ({"appearance": "/nowhere.npz"}, "there is no file /nowhere.npz"),
        ({"appearance": "/nowhere.npz", "camera": "wrist"}, "camera wrist moves"),
    ],
)
def test_what_it_cannot_use_is_one_sentence(parameters: dict[str, str], problem: str) -> None:
    process = start(**parameters)
    output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 2
    assert problem in output
    assert "Traceback" not in output
