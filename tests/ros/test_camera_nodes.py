"""camera_node, drift_node and slider_node as processes, on images of files."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from calibration.boards import parse_board
from calibration.drift import DriftReference
from calibration.synthetic_images import SyntheticCamera
from pushcell import se3
from pushcell.cameras.camera_info import camera_info_text
from pushcell.config.cell import load_cell
from pushcell.geometry import PlanarPose
from pushcell.recording.streams import streams_of
from pushcell_ros.conversions import status_values, to_image, to_planar, to_seconds
from tests.calibration import rig, test_drift_and_slider
from tests.conftest import ROOT, SIM_CELL

DOMAIN = 93
PATIENCE_S = 150.0
BOARD = "charuco:7x5:0.030:0.021:DICT_4X4_50"
POSE = se3.from_rvec([0.3, -0.2, 0.1], [-0.1, -0.08, 0.4])


@pytest.fixture(scope="module")
def listener():
    rclpy.init(domain_id=DOMAIN)
    node = rclpy.create_node("listener")
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cell whose overhead camera was calibrated and has a reference; and images of then, now."""
    folder = tmp_path_factory.mktemp("cell")
    board = parse_board(BOARD)
    camera = SyntheticCamera(board, rig.LENS, seed=0)
    for name, step in (("then", 0.0), ("moved", 0.004)):
        (folder / name).mkdir()
        picture = camera.take(se3.from_rvec(np.zeros(3), [step, 0, 0]) @ POSE)
        cv2.imwrite(str(folder / name / "0.png"), picture)
        if not step:
            (folder / "reference.json").write_text(DriftReference.take(picture, BOARD).text())
    (folder / "slider").mkdir()
    truth = PlanarPose(0.57, 0.03, 0.7)
    picture = test_drift_and_slider.picture(truth)
    cv2.imwrite(str(folder / "slider" / "0.png"), picture)
    (folder / "camera.yaml").write_text(camera_info_text(rig.LENS, "overhead"))
    hand_eye = {"setup": "eye-to-hand", "transform": test_drift_and_slider.CAMERA.tolist()}
    (folder / "hand_eye.json").write_text(json.dumps(hand_eye))
    marks = test_drift_and_slider.FIDUCIALS
    fiducials = {
        "dictionary": marks.dictionary,
        "side_m": marks.side_m,
        "height_m": marks.height_m,
        "markers": {str(k): v.as_array().tolist() for k, v in marks.markers.items()},
    }
    (folder / "fiducials.json").write_text(json.dumps(fiducials))
    values = yaml.safe_load(SIM_CELL.read_text())
    for camera in values["cameras"]:
        camera |= {"width_px": 640, "height_px": 480}
    values["calibration"] = [
        {
            "camera": "overhead",
            "intrinsics": "camera.yaml",
            "hand_eye": "hand_eye.json",
            "reference": "reference.json",
        }
    ]
    (folder / "cell.yaml").write_text(yaml.safe_dump(values))
    return folder


class Node:
    """A node's process, ended with its context."""

    def __init__(self, name: str, folder: Path, **parameters: str) -> None:
        words = [f"-p {key}:={value}" for key, value in parameters.items()]
        arguments = " ".join(["--ros-args", f"-p cell:={folder / 'cell.yaml'}", *words]).split()
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"pushcell_ros.{name}", *arguments],
            env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)


def playing(folder: Path, name: str, **more: str) -> Node:
    files = {"camera": "overhead", "driver": "file", "device": str(folder / name)}
    return Node("camera_node", folder, **files, repeat="true", **more)


def first(listener, kind, topic):
    got = []
    subscription = listener.create_subscription(kind, topic, got.append, qos_profile_sensor_data)
    deadline = time.monotonic() + PATIENCE_S
    while not got and time.monotonic() < deadline:
        rclpy.spin_once(listener, timeout_sec=0.1)
    listener.destroy_subscription(subscription)
    assert got, f"nothing on {topic}"
    return got[0]


def test_a_camera_publishes_what_it_sees_and_what_it_is(listener, folder):
    base = "/camera/overhead/color"
    with playing(folder, "then", compressed="true"):
        image = first(listener, Image, f"{base}/image_raw")
        info = first(listener, CameraInfo, f"{base}/camera_info")
        jpeg = first(listener, CompressedImage, f"{base}/image_raw/compressed")
        metadata = status_values(first(listener, DiagnosticStatus, f"{base}/metadata"))
    stored = cv2.imread(str(folder / "then" / "0.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(to_image(image)[:, :, 0], stored)
    decoded = cv2.imdecode(np.frombuffer(jpeg.data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(decoded.astype(int) - stored).mean() < 3
    np.testing.assert_allclose(info.k, rig.LENS.matrix.ravel())
    np.testing.assert_allclose(info.d, rig.LENS.distortion)
    assert abs(to_seconds(image.header.stamp) - time.time()) < PATIENCE_S
    assert metadata["clock_domain"] == "file"


def test_a_camera_has_a_life_cycle(listener, folder):
    """Nothing before activate, nothing after deactivate, and again after it."""
    base = "/camera/overhead/color"
    with playing(folder, "then", autostart="false"):
        client = listener.create_client(ChangeState, "/camera_node/change_state")
        assert client.wait_for_service(PATIENCE_S)

        def change(number):
            request = ChangeState.Request(transition=Transition(id=number))
            answer = client.call_async(request)
            rclpy.spin_until_future_complete(listener, answer, timeout_sec=PATIENCE_S)
            return answer.result().success

        def heard(seconds):
            got = []
            topic = f"{base}/image_raw"
            sub = listener.create_subscription(Image, topic, got.append, qos_profile_sensor_data)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                rclpy.spin_once(listener, timeout_sec=0.1)
            listener.destroy_subscription(sub)
            return got

        assert change(Transition.TRANSITION_CONFIGURE)
        assert not heard(1.0)
        for _ in range(2):
            assert change(Transition.TRANSITION_ACTIVATE)
            first(listener, Image, f"{base}/image_raw")
            assert change(Transition.TRANSITION_DEACTIVATE)
            heard(0.3)  # what was on its way
            assert not heard(1.0)
        assert change(Transition.TRANSITION_CLEANUP)
        assert change(Transition.TRANSITION_CONFIGURE)
        listener.destroy_client(client)


def test_a_camera_that_is_not_there_stays_unconfigured(listener, folder):
    with Node(
        "camera_node",
        folder,
        camera="overhead",
        driver="uvc",
        device="/dev/video97",
        autostart="false",
    ) as node:
        client = listener.create_client(ChangeState, "/camera_node/change_state")
        assert client.wait_for_service(PATIENCE_S)
        transition = Transition(id=Transition.TRANSITION_CONFIGURE)
        answer = client.call_async(ChangeState.Request(transition=transition))
        rclpy.spin_until_future_complete(listener, answer, timeout_sec=PATIENCE_S)
        assert not answer.result().success
        assert node.process.poll() is None
        listener.destroy_client(client)
        node.process.terminate()
        output, _ = node.process.communicate(timeout=PATIENCE_S)
        assert "not configured: there is no camera /dev/video97" in output


def test_a_camera_says_how_it_is(listener, folder):
    def told():
        array = first(listener, DiagnosticArray, "/diagnostics")
        return {status.name: status for status in array.status}.get("camera_node")

    deadline = time.monotonic() + PATIENCE_S
    with playing(folder, "then"):
        status = told()
        while status is None or float(status_values(status)["rate_hz"]) < 5:
            assert time.monotonic() < deadline
            status = told()
    values = status_values(status)
    assert values["camera"] == "overhead"
    assert 5 <= float(values["rate_hz"]) < 12, "of ten a second"
    assert int(values["frames"]) > 0
    assert int(values["dropped"]) == int(values["duplicated"]) == int(values["backwards"]) == 0
    assert 0 <= float(values["latency_p50_ms"]) <= float(values["latency_p99_ms"])


def test_what_cameras_publish_is_of_the_types_that_are_recorded(listener, folder):
    recorded = {
        stream.topic: stream.message_type
        for stream in streams_of(load_cell(ROOT / "config" / "cell.iiwa.yaml"))
    }
    marks = folder / "fiducials.json"
    with (
        playing(folder, "slider"),
        Node("slider_node", folder, fiducials=str(marks)),
    ):
        first(listener, DiagnosticStatus, "/camera/overhead/color/metadata")
        first(listener, PoseStamped, "/slider/pose")
        published = dict(listener.get_topic_names_and_types())
    ours = {topic for topic in published if topic.startswith(("/camera/overhead/", "/slider/"))}
    assert len(ours & set(recorded)) == 4
    for topic in ours & set(recorded):
        assert published[topic] == [recorded[topic]]


def test_a_camera_that_moved_ends_the_launch_and_says_by_how_much(listener, folder):
    with playing(folder, "moved"), Node("drift_node", folder) as drift:
        output, _ = drift.process.communicate(timeout=PATIENCE_S)
    assert drift.process.returncode == 2
    assert "camera overhead, or its reference board, has moved by" in output
    assert "mm" in output


def test_a_camera_that_stayed_lets_the_launch_go_on(listener, folder):
    with playing(folder, "then"), Node("drift_node", folder) as drift:
        line = drift.process.stdout.readline()
        assert "camera overhead: 0." in line
        assert drift.process.poll() is None


def test_the_slider_is_published_with_its_covariance(listener, folder):
    marks = folder / "fiducials.json"
    with playing(folder, "slider"), Node("slider_node", folder, fiducials=str(marks)):
        pose = first(listener, PoseStamped, "/slider/pose")
        message = first(listener, PoseWithCovarianceStamped, "/slider/estimate")
    for found in (pose, message.pose):
        distance, angle = to_planar(found).distance_to(PlanarPose(0.57, 0.03, 0.7))
        assert distance < 0.0015
        assert angle < np.radians(1)
    assert 1e-10 < message.pose.covariance[0] < 1e-5


def test_a_camera_that_is_not_there_is_one_sentence(folder):
    for driver, device, problem in (
        ("uvc", "/dev/video97", "there is no camera /dev/video97"),
        ("realsense", "42", "there is no RealSense camera '42'|need"),
        (
            "magic",
            "1",
            "recording, simulated, or a driver of your own",
        ),
    ):
        node = Node("camera_node", folder, camera="overhead", driver=driver, device=f'"{device}"')
        output, _ = node.process.communicate(timeout=PATIENCE_S)
        assert node.process.returncode == 2, output
        assert any(p in output for p in problem.split("|")), output
        assert "Traceback" not in output
