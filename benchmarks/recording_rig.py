"""What the benchmarks of the recorder share: a cell that is played, a recorder, its services."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.messages import capture_stamp_ns, has_header
from pushcell.config.cell import load_cell
from pushcell.errors import PushcellError
from pushcell.geometry import PlanarPose, Pose
from pushcell.processes.environment import changed_environment
from pushcell.recording.store import BAG_FILE

ROOT = Path(__file__).resolve().parent.parent
CELL = ROOT / "config" / "cell.iiwa.yaml"  # two 640x480 cameras at 30 Hz, 200 Hz arm state
DOMAIN = 84
FRAMES = 30
NOISE = 2.0  # of 255, standard deviation: as a good camera has it in a lit room
PROFILE = ROOT / "config" / "fastdds.xml"  # as launch files have it
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def make_frames(path: Path) -> dict[str, np.ndarray]:
    """Frames (N, 480, 640, 3) of each camera while the arm moves, with a camera's noise."""
    from pushcell.simulation.rendering import SceneRenderer

    cell = load_cell(ROOT / "config" / "cell.sim.yaml")
    renderer, rng = SceneRenderer(cell, "target"), np.random.default_rng(0)
    cameras: dict[str, list[np.ndarray]] = {camera.name: [] for camera in cell.cameras}
    for k in range(FRAMES):
        joints = np.array(cell.arm.nominal_joints_rad) + 0.004 * k
        slider = Pose.from_planar(PlanarPose(0.58, -0.03, 0.02 * k), 0.016)
        for name, images in cameras.items():
            image = cv2.resize(renderer.render(joints, slider, name), (640, 480))
            with_noise = image + rng.normal(0, NOISE, image.shape)
            images.append(with_noise.clip(0, 255).astype(np.uint8))
    frames = {name: np.stack(images) for name, images in cameras.items()}
    np.savez(path, **frames)
    return frames


class RecordingRig:
    """A context manager: the player and, when asked for, the recorder as processes."""

    def __init__(
        self,
        folder: Path,
        frames: Path,
        cell: Path = CELL,
        episodes: Path | None = None,
        domain: int = DOMAIN,
    ) -> None:
        self.episodes, self._frames = episodes or folder / "episodes", frames
        self._cell, self._domain = cell, domain
        self._log = folder / "published.json"
        self.state: dict = {}
        self._environment = changed_environment(
            {"ROS_DOMAIN_ID": str(domain), "FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE)}
        )
        self._processes: list[subprocess.Popen] = []

    def __enter__(self) -> RecordingRig:
        self._environment.__enter__()
        rclpy.init(domain_id=self._domain, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("benchmark")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.node.create_subscription(String, "/recorder/state", self._on_state, _LATCHED)
        words = map(str, (self._cell, self._frames, self._log))
        self.player = self._start(["-m", "benchmarks.player_node", *words])
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            # A killed one would leave its shared memory behind, in which others look for it.
            process.terminate()
        for process in self._processes:
            process.wait(60)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()
        self._environment.__exit__(None, None, None)

    def start_recorder(self) -> subprocess.Popen:
        """Start it and wait until it is ready."""
        self.state = {}
        node = ["-m", "pushcell_ros.recorder_node", "--ros-args", "-p", f"cell:={self._cell}"]
        process = self._start([*node, "-p", f"directory:={self.episodes}"])
        self.wait(lambda: self.state.get("state") == "idle", 60.0)
        return process

    def call(self, name: str) -> None:
        """Call one of its services."""
        client = self.node.create_client(Trigger, f"/recorder/{name}")
        if not client.wait_for_service(60.0):
            raise PushcellError(f"the recorder offers no /recorder/{name}")
        future = client.call_async(Trigger.Request())
        self.wait(future.done, 60.0)
        if not future.result().success:
            raise PushcellError(f"/recorder/{name}: {future.result().message}")

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Handle events until it holds."""
        until = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > until:
                raise PushcellError(f"nothing came of it within {timeout_s:.0f} s")
            self._executor.spin_once(timeout_sec=0.05)

    def listen(self, seconds: float) -> None:
        """Handle events for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._executor.spin_once(timeout_sec=0.1)

    def published(self) -> dict[str, list[int]]:
        """End the player; the stamps of all that it published, by topic."""
        self.player.send_signal(signal.SIGINT)
        self.player.wait(20)
        return json.loads(self._log.read_text(encoding="utf-8"))

    def _start(self, words: list[str]) -> subprocess.Popen:
        paths = [
            str(ROOT),
            str(ROOT / "ros2_ws/src/pushcell_ros"),
            os.environ.get("PYTHONPATH", ""),
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment)
        self._processes.append(process)
        return process

    def _on_state(self, message: String) -> None:
        self.state = json.loads(message.data)


def recorded_stamps(episode: Path) -> dict[str, list[int]]:
    """Stamps of an episode's messages by topic, of those that have some."""
    found: dict[str, list[int]] = {}
    with BagReader(episode / BAG_FILE) as bag:
        topics = [topic for topic, kind in bag.types.items() if has_header(kind)]
        for message in bag.messages(topics):
            found.setdefault(message.topic, []).append(capture_stamp_ns(message.cdr))
    return found
