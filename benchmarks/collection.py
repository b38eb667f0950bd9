"""A launch file with the operator's page as a user starts it, and a watch on the pusher."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor

from benchmarks.browser import BrowserPage
from pushcell.cameras.overlay import project
from pushcell.config.cell import load_cell
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell_ros.conversions import status_values

ROOT = Path(__file__).resolve().parent.parent
COLLECT = ("launch/collect.launch.yaml",)
_TIMEOUT_S = 40.0


class Collection:
    """A context manager; ``motion`` is the newest /motion/state, ``pusher`` (2,) [m] its place.

    ``commanded`` and ``measured`` are (system time of arrival [s], (2,) [m]) of every message.
    """

    def __init__(self, domain: int, episodes: Path, launch: Sequence[str] = COLLECT) -> None:
        self.cell = load_cell(ROOT / "config" / "cell.sim.yaml")
        self.episodes = episodes
        self.output = ""
        self.motion: dict[str, str] = {}
        self.commanded: list[tuple[float, Array]] = []
        self.measured: list[tuple[float, Array]] = []
        self._domain = domain
        self._launch = [sys.executable, "-m", "pushcell.cli", "launch", *launch]

    def __enter__(self) -> Collection:
        self._process = subprocess.Popen(
            [*self._launch, f"episodes:={self.episodes}"],
            cwd=ROOT,
            env={**os.environ, "ROS_DOMAIN_ID": str(self._domain), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        rclpy.init(domain_id=self._domain)
        node = rclpy.create_node("collection_watch")
        node.create_subscription(DiagnosticStatus, "/motion/state", self._on_motion, 10)
        for topic, log in (("/motion/target", self.commanded), ("/pusher/pose", self.measured)):
            node.create_subscription(PoseStamped, topic, _logger(log), 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.try_shutdown()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    @property
    def address(self) -> str:
        """Of the page, once it is served."""
        found: list[str] = []

        def is_served_yet() -> bool:
            found[:] = re.findall(r"console: (http\S+)", self.output)
            return bool(found)

        self.until(is_served_yet, "address of the page")
        return found[0]

    @property
    def pusher(self) -> Array:
        """(2,) [m], as measured last."""
        return self.measured[-1][1]

    def pixel_of(self, place: Array) -> tuple[float, float]:
        """Where the pusher's tip is seen on the picture that drives."""
        camera = self.cell.camera(self.cell.teleop.camera)
        point = [[*place, self.cell.pusher.tip_height_m]]
        u, v = project(camera, camera.pose_in_link, point)[0]
        return float(u), float(v)

    def watch(self, duration_s: float) -> None:
        """Listen for a while."""
        until = time.monotonic() + duration_s
        while time.monotonic() < until:
            self._executor.spin_once(timeout_sec=0.01)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Listen until a condition holds; PushcellError otherwise."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not condition():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise PushcellError(f"waited in vain for {what}: {self.motion}\n{self.output}")
            self._executor.spin_once(timeout_sec=0.01)

    def ended(self) -> int:
        """The exit code, once all of it has ended by itself."""
        return self._process.wait(_TIMEOUT_S)

    def arm(self, page: BrowserPage) -> None:
        """As the person does: wait for a picture, press the button."""
        shown = "return !!document.querySelector('#driven img')?.naturalWidth"
        self.until(lambda: bool(self.measured) and page.script(shown), "picture")
        page.press("arm")
        self.until(lambda: self.motion.get("emergency_stop") == "released", "release of the stop")

    def drag_until(
        self,
        page: BrowserPage,
        pixel: tuple[float, float],
        condition: Callable[[], bool],
        what: str,
    ) -> None:
        """Hold the pointer there; where a busy machine cut the line, let go and press again."""
        page.mouse("mousePressed", pixel)

        def reached() -> bool:
            if page.text("light-deadman").split()[1:3] == ["let", "go"]:
                page.mouse("mouseReleased", pixel)
                self.watch(0.2)
                page.mouse("mousePressed", pixel)
            return condition()

        self.until(reached, what)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.output += line

    def _on_motion(self, message: DiagnosticStatus) -> None:
        self.motion = status_values(message)


def _logger(log: list[tuple[float, Array]]) -> Callable[[PoseStamped], None]:
    def take(message: PoseStamped) -> None:
        tip = message.pose.position
        log.append((time.time(), np.array([tip.x, tip.y])))

    return take
