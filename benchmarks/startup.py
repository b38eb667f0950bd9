"""How long a person waits: for help, and from the launch to the pusher's first motion."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rich.table import Table

from benchmarks.rollout_process import rollout
from pushcell.errors import PushcellError
from pushcell.timing import Distribution

DOMAIN = "81"
HELPS, LAUNCHES = 10, 5
_MOVED_M = 1e-3
_TIMEOUT_S = 120.0


def run() -> dict[str, Any]:
    """Ask for help some times, and launch the default rollout some times."""
    helps = []
    for _ in range(HELPS):
        began_s = time.monotonic()
        command = [sys.executable, "-m", "pushcell.cli", "--help"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        helps.append(time.monotonic() - began_s)
    launches = [_first_motion_s() for _ in range(LAUNCHES)]
    return {
        "help_s": asdict(Distribution.of(helps)),
        "first_motion_s": asdict(Distribution.of(launches)),
    }


def good(figures: dict[str, Any]) -> bool:
    """Help within 0.3 s, motion within 10 s."""
    return figures["help_s"]["p50"] < 0.3 and figures["first_motion_s"]["p50"] < 10.0


def table(figures: dict[str, Any]) -> Table:
    """One row a wait."""
    shown = Table(title="start")
    for title in ("what", "p50 [s]", "max [s]"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    for name, row in (
        (f"pushcell --help ({HELPS} times)", figures["help_s"]),
        (f"launch to the pusher's first mm ({LAUNCHES} times)", figures["first_motion_s"]),
    ):
        shown.add_row(name, f"{row['p50']:.2f}", f"{row['max']:.2f}")
    return shown


def _first_motion_s() -> float:
    rclpy.init(domain_id=int(DOMAIN))
    try:
        node, executor = rclpy.create_node("startup_watch"), SingleThreadedExecutor()
        executor.add_node(node)
        tips: list[np.ndarray] = []
        node.create_subscription(PoseStamped, "/motion/target", lambda m: tips.append(_tip(m)), 10)
        began_s = time.monotonic()
        with rollout(DOMAIN, "video:=false", "live_view:=false") as running:
            while not (tips and np.linalg.norm(tips[-1] - tips[0]) > _MOVED_M):
                executor.spin_once(timeout_sec=0.05)
                if running.ended or time.monotonic() - began_s > _TIMEOUT_S:
                    raise PushcellError(f"nothing moves:\n{running.output[-2000:]}")
            return time.monotonic() - began_s
    finally:
        rclpy.try_shutdown()


def _tip(message: PoseStamped) -> np.ndarray:
    return np.array([message.pose.position.x, message.pose.position.y])
