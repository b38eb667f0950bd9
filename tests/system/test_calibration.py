"""The cell's own calibration as a user starts it: real processes, rendered boards, known truth."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from pushcell.config.cell import load_cell
from tests.conftest import ROOT, SIM_CELL

DOMAIN = 95
PATIENCE_S = 240.0
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# Few views, drawn coarsely: `docs/calibration.md` has what thirty fine ones come to.
ARGUMENTS = ("views:=8", "finer:=2", "slack:=10")


class Watch:
    """Hears the joints and the guidance; may press the emergency stop."""

    def __init__(self):
        rclpy.init(domain_id=DOMAIN)
        self.node = rclpy.create_node("watch")
        self.speeds, self.guidance = [], []
        self.node.create_subscription(JointState, "/joint_states", self._on_joints, 10)
        self.node.create_subscription(String, "/calibration/state", self._on_guidance, LATCHED)
        self.estop = self.node.create_publisher(Bool, "/safety/estop", LATCHED)
        self.release = self.node.create_client(Trigger, "/safety/release")

    def _on_joints(self, message):
        self.speeds.append(np.abs(message.velocity).max())

    def _on_guidance(self, message):
        told = json.loads(message.data)
        if "camera" in told:
            self.guidance.append(told)

    def until(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def close(self):
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def watch():
    watch = Watch()
    yield watch
    watch.close()


def moves(watch):
    return bool(watch.speeds) and watch.speeds[-1] > 0.05


def rests(watch):
    return len(watch.speeds) > 20 and max(watch.speeds[-20:]) < 1e-3


@pytest.mark.timeout(600)
def test_the_cell_finds_its_own_cameras_and_obeys_the_emergency_stop(watch):
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pushcell.cli",
            "launch",
            "launch/calibrate.launch.yaml",
            *ARGUMENTS,
        ],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "ROS_DOMAIN_ID": str(DOMAIN)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = []
    reading = threading.Thread(target=lambda: output.append(run.stdout.read()))
    reading.start()

    def ended():
        return run.poll() is not None

    try:
        watch.until(lambda: ended() or (watch.guidance and moves(watch)), PATIENCE_S)
        assert not ended()
        watch.estop.publish(Bool(data=True))
        watch.until(lambda: rests(watch), PATIENCE_S)
        watch.speeds.clear()
        watch.until(lambda: len(watch.speeds) > 200, PATIENCE_S)
        assert max(watch.speeds) < 1e-3, "it stays stopped"
        watch.until(watch.release.service_is_ready, PATIENCE_S)
        assert not call(watch).success, "it is still pressed"
        watch.estop.publish(Bool(data=False))
        watch.until(lambda: call(watch).success, PATIENCE_S)
        watch.until(ended, PATIENCE_S)
    finally:
        run.terminate()
        reading.join()
        print(output[0])
    assert run.returncode == 0
    assert "Traceback" not in output[0]
    assert {told["camera"] for told in watch.guidance} == {"overhead", "wrist"}
    assert all(np.shape(told["counts"]) == (3, 4) for told in watch.guidance)
    folder = Path(output[0].split("run folder ")[1].split(",")[0]) / "calibration"
    assert len(list(folder.glob("latency_*.json"))) == 1
    for camera in load_cell(SIM_CELL).cameras:
        assert len(list((folder / camera.name / "images").glob("*.png"))) >= 6
        for kind in ("intrinsics", "hand_eye"):
            assert len(list((folder / camera.name).glob(f"{kind}_*.json"))) == 1


def call(watch):
    future = watch.release.call_async(Trigger.Request())
    watch.until(future.done, PATIENCE_S)
    return future.result()
