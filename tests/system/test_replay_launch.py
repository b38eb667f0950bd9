"""A recording played back to a rollout's own nodes, and moved about on the console's time line."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from benchmarks.browser import found_browser, open_page
from pushcell_ros.conversions import status_values
from tests.conftest import ROOT
from tests.replay.examples import heard, steady_bundle, write_bag

DOMAIN = 94

pytestmark = [
    pytest.mark.skipif(
        found_browser() is None, reason="no browser: install chromium, chromedriver"
    ),
]


class Running:
    """The launch, and who listens to it."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pushcell.cli", "launch", "launch/replay.launch.yaml"]
        self._process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        threading.Thread(target=self._read, daemon=True).start()
        rclpy.init(domain_id=DOMAIN)
        node = rclpy.create_node("watcher")
        self.chunks, self.commands, self.states, self.motion = [], [], [], []
        for kind, topic, taken in (
            (MultiDOFJointTrajectory, "/policy/chunk", self.chunks),
            (JointState, "/arm/joint_command", self.commands),
            (String, "/replay/state", self.states),
            (DiagnosticStatus, "/motion/state", self.motion),
        ):
            node.create_subscription(kind, topic, taken.append, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)

    def _read(self) -> None:
        for line in self._process.stdout:
            self.output += line

    @property
    def state(self) -> dict:
        return json.loads(self.states[-1].data)

    def until(self, condition, seconds: float = 60.0) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.output
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def close(self) -> None:
        rclpy.shutdown()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)


@pytest.fixture
def running(cell, tmp_path):
    bag = write_bag(tmp_path / "it.mcap", heard(cell, 12.0))
    bundle = steady_bundle(tmp_path / "bundle", cell, ("overhead",))
    run = Running(f"recording:={bag}", f"policy:={bundle}", "paused:=true", "loop:=true")
    yield run
    run.close()


def stamp(chunk) -> float:
    return chunk.header.stamp.sec + chunk.header.stamp.nanosec * 1e-9


def test_the_policy_drives_a_listener_and_the_page_moves_time(running):
    running.until(lambda: re.search(r"console: (http\S+)", running.output) and running.states)
    with open_page(re.search(r"console: (http\S+)", running.output)[1]) as page:
        assert not running.state["playing"]
        running.until(lambda: not page.script("return document.getElementById('time-line').hidden"))
        page.script("document.getElementById('replay-play').click()")
        running.until(lambda: running.state["playing"] and running.state["position_s"] > 1.0)
        running.until(lambda: len(running.chunks) > 3)
        followed = running.until(
            lambda: any(status_values(m).get("phase") == "moving" for m in list(running.motion))
        )
        assert followed
        assert len(running.commands) > 10, "the listener is told what an arm would be told"
        running.until(lambda: page.text("replay-play") == "Pause")
        page.script("document.getElementById('replay-play').click()")
        running.until(lambda: not running.state["playing"])
        page.script(
            "const p = document.getElementById('replay-position'); p.value = 0.5;"
            "p.dispatchEvent(new Event('change'))"
        )
        running.until(lambda: running.state["position_s"] < 1.0)
        running.until(lambda: page.text("replay-play") == "Play")
        newest = stamp(running.chunks[-1])
        running.chunks.clear()
        page.script("document.getElementById('replay-play').click()")
        running.until(lambda: len(running.chunks) > 2)
        assert stamp(running.chunks[0]) < newest, "the policy lives again at an earlier time"
