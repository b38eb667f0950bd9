"""Whether two cameras disturb the arm's loop: the same graph with and without them, in turn.

The simulated cell moves, at the pace of the steady clock; beside it two ``camera_node`` play a
video of 640x480 at 30 Hz, to one listener each. How regular the arm's loop is, its nodes say.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from rich.table import Table
from sensor_msgs.msg import Image, JointState

from benchmarks.drill import CELL, DOMAIN, ROOT, Drill
from pushcell.timing import Distribution, steady_seconds
from pushcell_ros.conversions import status_values, to_seconds

CAMERAS = ("left", "right")  # beside those that the drill drives by
WIDTH, HEIGHT, RATE_HZ = 640, 480, 30
ROUNDS = 8
SETTLING_S = 4.0
LOOPS = {"/arm/joint_command": "arm command", "/joint_states": "arm report"}


class ImageListener:
    """Hears in a thread of its own: when messages come, how old pictures are, what cameras lose."""

    def __init__(self) -> None:
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        self.image_ages: list[float] = []
        self._ends = False
        self.cameras: dict[str, dict[str, str]] = {}
        self.motion: dict[str, str] = {}
        self._node = rclpy.create_node("listener")
        for topic in LOOPS:
            self._node.create_subscription(JointState, topic, self._noter(topic), 50)
        for name in CAMERAS:
            topic = f"/camera/{name}/color/image_raw"
            self._node.create_subscription(Image, topic, self._on_image, qos_profile_sensor_data)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def __enter__(self) -> ImageListener:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()

    def _listen(self) -> None:
        while not self._ends:
            self._executor.spin_once(timeout_sec=0.1)

    def clear(self) -> None:
        """Begin a phase."""
        for times in self.arrivals.values():
            times.clear()
        self.image_ages.clear()

    def _noter(self, topic: str) -> Any:
        return lambda _: self.arrivals[topic].append(steady_seconds())

    def _on_image(self, message: Image) -> None:
        self.image_ages.append(time.time() - to_seconds(message.header.stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "motion_node":
                self.motion = status_values(status)
            elif status.name == "camera_node":
                values = status_values(status)
                self.cameras[values["camera"]] = values


def run(seconds: float = 10.0) -> dict[str, Any]:
    """So many seconds with and without cameras, in turn, eight times each."""
    phases: dict[str, list[dict[str, Any]]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as name, Drill(patience_s=0.5) as drill:
        cell, video = _cell(Path(name)), _video(Path(name))
        with ImageListener() as listener:
            drill.set_moving()
            for _ in range(ROUNDS):
                phases["without"].append(_phase(drill, listener, seconds))
                drill.extra += [_camera(cell, video, camera) for camera in CAMERAS]
                drill.wait_for(lambda: len(listener.image_ages) > RATE_HZ, 60, "the cameras")
                phases["with"].append(_phase(drill, listener, seconds))
                drill.stop_extra()
                listener.image_ages.clear()
    return {
        "seconds": seconds,
        "rounds": ROUNDS,
        "loop": {kind: _loop(found) for kind, found in phases.items()},
        "images": _images(phases["with"], seconds),
    }


def table(figures: dict[str, Any]) -> Table:
    """Loops with and without, then the cameras."""
    shown = Table(
        title=f"two cameras {WIDTH}x{HEIGHT} at {RATE_HZ} Hz beside the arm's loop, "
        f"{figures['rounds']} x {figures['seconds']:.0f} s each, {os.cpu_count()} cores"
    )
    for column in ("what", "without", "with", "with / without: median (all rounds)"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    without, with_ = figures["loop"]["without"], figures["loop"]["with"]
    for key in without:
        ratios = [b / a for a, b in zip(without[key], with_[key], strict=True) if a > 0]
        cells = (f"{np.median(found[key]):.2f}" for found in (without, with_))
        told = f"{np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else "-"
        shown.add_row(key, *cells, told)
    for key, value in figures["images"].items():
        shown.add_row(f"cameras: {key.replace('_', ' ')}", "", f"{value:.2f}")
    return shown


def _phase(drill: Drill, listener: ImageListener, seconds: float) -> dict[str, Any]:
    drill.run(SETTLING_S)
    listener.clear()
    missed = int(listener.motion["missed_ticks"])
    drill.run(seconds)
    return {
        "periods": {
            topic: asdict(Distribution.of(np.diff(listener.arrivals[topic]).tolist()))
            for topic in LOOPS
        },
        "motion": dict(listener.motion),
        "missed": int(listener.motion["missed_ticks"]) - missed,
        "image_ages": list(listener.image_ages),
        "cameras": dict(listener.cameras),
    }


def _loop(phases: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Of each round; periods in [ms]."""
    found: dict[str, list[float]] = {}
    for topic, name in LOOPS.items():
        for key in ("p50", "p99", "max"):
            found[f"{name}, period {key} [ms]"] = [1e3 * p["periods"][topic][key] for p in phases]
    for key in ("p50", "p99", "max"):
        found[f"motion_node's tick, {key} [ms]"] = [
            float(p["motion"][f"period_{key}_ms"]) for p in phases
        ]
    found["motion_node's ticks 5 ms late or more"] = [float(p["missed"]) for p in phases]
    return found


def _images(phases: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    ages = Distribution.of([age for phase in phases for age in phase["image_ages"]])
    lost = [int(values["dropped"]) for p in phases for values in p["cameras"].values()]
    return {
        "rate_hz": ages.count / (len(phases) * seconds * len(CAMERAS)),
        "frames_lost_by_cameras": float(sum(lost)),
        "capture_to_listener_p50_ms": 1e3 * ages.p50,
        "capture_to_listener_p99_ms": 1e3 * ages.p99,
    }


def _camera(cell: Path, video: Path, name: str) -> subprocess.Popen[bytes]:
    parameters = {"cell": cell, "camera": name, "driver": "file", "device": video, "repeat": "true"}
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    return subprocess.Popen(
        [sys.executable, "-m", "pushcell_ros.camera_node", "--ros-args", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "ROS_DOMAIN_ID": str(DOMAIN),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "config" / "fastdds.xml"),
            "OMP_NUM_THREADS": "1",
        },
    )


def _cell(folder: Path) -> Path:
    """The simulated cell with larger and quicker cameras."""
    values = yaml.safe_load(CELL.read_text())
    for camera, name in zip(values["cameras"], CAMERAS, strict=True):
        camera |= {"name": name, "width_px": WIDTH, "height_px": HEIGHT, "rate_hz": float(RATE_HZ)}
    values["teleop"]["camera"] = CAMERAS[0]
    path = folder / "cell.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def _video(folder: Path) -> Path:
    """Three seconds of a moving pattern with some noise."""
    rng, path = np.random.default_rng(0), folder / "pattern.mp4"
    ground = rng.integers(60, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    with av.open(str(path), "w") as video:
        stream = video.add_stream("mpeg4", RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(3 * RATE_HZ):
            image = np.roll(ground, 4 * index, axis=1)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        video.mux(stream.encode())
    return path
