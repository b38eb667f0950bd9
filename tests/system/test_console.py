"""A person with a browser: the real page in a real Chromium, driving the simulated cell."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor

from pushcell.overlay import project
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import EpisodeStore
from pushcell_ros.conversions import status_values
from tests.browser import found_browser, open_page

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = [sys.executable, "-m", "pushcell.cli", "launch", "launch/collect.launch.yaml"]
DOMAIN = 92
TIMEOUT_S = 40.0
# Which of the watchdogs is first depends on how the last messages fell.
LET_GO = ("deadman_released", "teleop_released", "observation_old")

pytestmark = [
    pytest.mark.skipif(
        found_browser() is None, reason="no browser: install chromium, chromedriver"
    ),
    # Watchdogs of 200 ms run in real time here, and the machine may be shared.
    pytest.mark.flaky(reruns=2),
]


class Collection:
    """``collect.launch.yaml`` as a user starts it, and a watch on what it publishes."""

    def __init__(self, episodes):
        self.episodes = episodes
        self.process = subprocess.Popen(
            [*LAUNCH, f"episodes:={episodes}"],
            cwd=ROOT,
            env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output, self.motion, self.pusher = "", {}, None
        threading.Thread(target=self._read, daemon=True).start()
        rclpy.init(domain_id=DOMAIN)
        node = rclpy.create_node("watch")
        node.create_subscription(DiagnosticStatus, "/motion/state", self._on_motion, 1)
        node.create_subscription(PoseStamped, "/pusher/pose", self._on_pusher, 1)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)

    def close(self):
        rclpy.shutdown()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    @property
    def address(self):
        self.until(lambda: "console: http" in self.output, "the console's address")
        return re.search(r"console: (http\S+)", self.output)[1]

    def until(self, condition, what):
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, f"no {what}: {self.motion}\n{self.output}"
            assert self.process.poll() is None, self.output
            self._executor.spin_once(timeout_sec=0.02)

    def watch(self, duration_s):
        until = time.monotonic() + duration_s
        while time.monotonic() < until:
            self._executor.spin_once(timeout_sec=0.02)

    def drag_until(self, page, pixel, condition, what):
        """Hold the pointer there; where a busy machine cut the line, let go and press again."""
        page.mouse("mousePressed", pixel)

        def reached():
            if page.text("light-deadman").split()[1:3] == ["let", "go"]:
                page.mouse("mouseReleased", pixel)
                self.watch(0.2)
                page.mouse("mousePressed", pixel)
            return condition()

        self.until(reached, what)

    def _read(self):
        for line in self.process.stdout:
            self.output += line

    def _on_motion(self, message):
        self.motion = status_values(message)

    def _on_pusher(self, message):
        self.pusher = np.array([message.pose.position.x, message.pose.position.y])


@pytest.fixture(scope="module")
def cell_with_console(tmp_path_factory):
    collection = Collection(tmp_path_factory.mktemp("episodes"))
    yield collection
    collection.close()


def pixel_of(cell, place):
    camera = cell.camera(cell.teleop.camera)
    point = [[*place, cell.pusher.tip_height_m]]
    return tuple(project(camera, camera.pose_in_link, point)[0])


def test_a_person_arms_drives_records_and_closes_the_page(cell, cell_with_console):
    run = cell_with_console
    with open_page(run.address) as page:
        arm(run, page)
        drag_to_a_place_and_let_go(cell, run, page)
        page.press("stop")
        run.until(lambda: run.motion["emergency_stop"] != "released", "stop")
        arm(run, page)
        record_an_episode(cell, run, page)

        run.watch(0.5)
        far, begin = np.array([0.5, -0.25]), run.pusher
        run.drag_until(
            page,
            pixel_of(cell, far),
            lambda: np.linalg.norm(run.pusher - begin) > 0.02,
            "motion to a far place",
        )
    run.until(lambda: run.motion["phase"] == "holding", "rest after the page was closed")
    assert run.motion["reason"] in LET_GO
    run.watch(0.5)
    rest = run.pusher
    run.watch(1.0)
    assert np.linalg.norm(run.pusher - rest) < 0.001
    assert np.linalg.norm(run.pusher - far) > 0.05, "it stopped on the way"


def arm(run, page):
    run.until(lambda: run.pusher is not None, "pusher")
    shown = "return !!document.querySelector('#driven img')?.naturalWidth"
    run.until(lambda: page.script(shown), "picture")
    assert "require_deadman" in page.text("banner"), "the page says that the cell is simulated"
    page.press("arm")
    run.until(lambda: run.motion.get("emergency_stop") == "released", "release")


def drag_to_a_place_and_let_go(cell, run, page):
    goal = run.pusher + np.array([0.04, -0.06])
    at_goal = pixel_of(cell, goal)
    page.mouse("mousePressed", pixel_of(cell, run.pusher))
    page.mouse("mouseMoved", at_goal)
    run.drag_until(
        page, at_goal, lambda: np.linalg.norm(run.pusher - goal) < 0.003, "pusher at the finger"
    )
    page.mouse("mouseReleased", at_goal)
    run.until(lambda: run.motion["source"] == "hold", "rest after letting go")
    assert run.motion["reason"] in LET_GO


def record_an_episode(cell, run, page):
    page.press("start")
    run.until(lambda: page.text("light-recording").split()[-2:-1] == ["s"], "recording")
    drag_to_a_place_and_let_go(cell, run, page)
    page.press("success")
    run.until(lambda: "success" in page.text("episodes"), "episode in the list")
    (episode,) = EpisodeStore(run.episodes).episodes()
    info = EpisodeInfo.load(episode)
    assert info.verdict == "success"
    assert "teleop" in {span.source for span in info.driven}
    assert episode.name in page.text("episodes")
    thumbnail = "return document.querySelector('#episodes img').naturalWidth"
    run.until(lambda: page.script(thumbnail) > 0, "thumbnail")
    # Without an operator's deadman the simulated cell goes to its next start by itself.
    run.until(lambda: run.motion["reason"] == "at_home", "the next start")
