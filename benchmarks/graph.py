"""Rates, latencies and CPU time of the node graph of a rollout in the simulated cell."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from dataclasses import asdict
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rich.table import Table
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState

from benchmarks.rollout_process import Rollout, rollout
from pushcell.errors import PushcellError
from pushcell.timing import Distribution, steady_seconds

DOMAIN = "83"
WARM_UP_S, MEASURED_S = 15.0, 60.0
IMAGE_TOPIC = "/camera/overhead/color/image_raw"


class Probe(Node):
    """Notes when what arrives; capture is when the scene of the same stamp arrived."""

    def __init__(self) -> None:
        super().__init__("probe")
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        self.image_latency: list[float] = []
        self.missed_ticks: list[int] = []
        self.simulated_s: list[float] = []
        self.waited_s: dict[str, float] = {}
        self._captures: dict[tuple[int, int], float] = {}
        self.create_subscription(JointState, "/joint_states", self._noter("arm status"), 50)
        self.create_subscription(JointState, "/arm/joint_command", self._noter("command"), 50)
        self.create_subscription(JointState, "/cell/scene", self._on_scene, 50)
        self.create_subscription(Clock, "/clock", self._on_clock, 50)
        self.create_subscription(Image, IMAGE_TOPIC, self._on_image, qos_profile_sensor_data)
        wrist = IMAGE_TOPIC.replace("overhead", "wrist")
        self.create_subscription(Image, wrist, lambda _: None, qos_profile_sensor_data)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def clear(self) -> None:
        """Forget the warm-up."""
        self.arrivals.clear()
        self.image_latency.clear()
        self.missed_ticks.clear()
        self.simulated_s.clear()

    def _on_clock(self, message: Clock) -> None:
        self.simulated_s.append(message.clock.sec + message.clock.nanosec * 1e-9)

    def _noter(self, name: str) -> Any:
        return lambda _: self.arrivals[name].append(steady_seconds())

    def _on_scene(self, message: JointState) -> None:
        self._captures[_key(message.header.stamp)] = steady_seconds()

    def _on_image(self, message: Image) -> None:
        now = steady_seconds()
        self.arrivals["overhead camera"].append(now)
        captured = self._captures.get(_key(message.header.stamp))
        if captured is not None:
            self.image_latency.append(now - captured)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            for key, value in values.items():
                if key.startswith("waited_for_"):
                    name = key.removeprefix("waited_for_").removesuffix("_s")
                    self.waited_s[name] = float(value)
            if "missed_ticks" in values:
                self.missed_ticks.append(int(values["missed_ticks"]))


def run() -> dict[str, Any]:
    """Two rollouts that are listened to for a while: with nothing to see, and as it is launched."""
    shown = {"headless": "false", "with video and live view": "true"}
    figures = {}
    for name, value in shown.items():
        with rollout(DOMAIN, "trials:=99", f"video:={value}", f"live_view:={value}") as running:
            figures[name] = measure(running)
    return {"rollouts": figures}


def table(figures: dict[str, Any]) -> Table:
    """One row a stream, one a process."""
    shown = Table(title=f"node graph of a rollout over {MEASURED_S:.0f} s, {os.cpu_count()} cores")
    for title in ("what", "rate [Hz]", "p50 [ms]", "p99 [ms]", "max [ms]"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    for name, measured in figures["rollouts"].items():
        shown.add_section()
        shown.add_row(f"[bold]{name}[/]")
        _add_rows(shown, measured)
    return shown


def _add_rows(shown: Table, figures: dict[str, Any]) -> None:
    for name, row in figures["streams"].items():
        rate = f"{row['count'] / MEASURED_S:.1f}"
        shown.add_row(name, rate, *(f"{1e3 * row[key]:.2f}" for key in ("p50", "p99", "max")))
    simulated_s = figures["simulated_s"]
    shown.add_row("simulated time / real time", f"{figures['real_time_factor']:.3f}")
    for name, waited_s in figures["waited_s"].items():
        shown.add_row(f"simulated time waited for {name} [s]", f"{waited_s:.1f}")
    shown.add_row("ticks of the guard 5 ms late or more", str(figures["missed_ticks"]))
    in_all = sum(figures["cpu_s"].values())
    for name, used_s in (*figures["cpu_s"].items(), ("all", in_all)):
        shown.add_row(f"CPU of {name}, s per simulated s", f"{used_s / simulated_s:.3f}")


def measure(running: Rollout) -> dict[str, Any]:
    """Figures of a rollout in DOMAIN."""
    rclpy.init(domain_id=int(DOMAIN))
    try:
        probe = Probe()
        executor = SingleThreadedExecutor()
        executor.add_node(probe)
        spin(executor, WARM_UP_S)
        probe.clear()
        before = _cpu_seconds(running)
        spin(executor, MEASURED_S)
        after = _cpu_seconds(running)
        if not probe.arrivals["command"]:
            raise PushcellError("the cell did not start; run pushcell launch to see why")
    finally:
        rclpy.shutdown()
    streams = {
        f"{name} period": asdict(Distribution.of(_differences(times)))
        for name, times in probe.arrivals.items()
    }
    streams["overhead camera, capture to arrival"] = asdict(Distribution.of(probe.image_latency))
    return {
        "streams": streams,
        "simulated_s": probe.simulated_s[-1] - probe.simulated_s[0],
        "real_time_factor": (probe.simulated_s[-1] - probe.simulated_s[0]) / MEASURED_S,
        "missed_ticks": probe.missed_ticks[-1] - probe.missed_ticks[0],
        "waited_s": probe.waited_s,
        "cpu_s": {name: after[name] - before[name] for name in sorted(before)},
    }


def spin(executor: SingleThreadedExecutor, duration_s: float) -> None:
    """Listen for so long."""
    until = steady_seconds() + duration_s
    while steady_seconds() < until:
        executor.spin_once(timeout_sec=0.1)


def _differences(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def _cpu_seconds(running: Rollout) -> dict[str, float]:
    """CPU seconds so far, by node."""
    used = {name: process.cpu_times() for name, process in running.nodes().items()}
    return {name: times.user + times.system for name, times in used.items()}


def _key(stamp: Time) -> tuple[int, int]:
    return stamp.sec, stamp.nanosec
