"""Trials for an hour: do memory, file handles, threads, rates and success stay as they were?"""

from __future__ import annotations

import json
import os
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rich.progress import Progress
from rich.table import Table

from benchmarks.graph import Probe, spin
from benchmarks.rollout_process import Rollout, rollout
from pushcell.errors import PushcellError

DOMAIN = "82"
WARM_UP_S = 60.0
WINDOWS = 6
_STREAMS = ("arm status", "command", "overhead camera")
# What a process may take more at the end than after its first sixth of the time.
_GROWTH_MB, _GROWTH_HANDLES = 30.0, 8


def run(seconds: float = 3600.0) -> dict[str, Any]:
    """Trial after trial; every node is looked at in each sixth of the time."""
    rclpy.init(domain_id=int(DOMAIN))
    try:
        with rollout(DOMAIN, "trials:=100000", "video:=false", "live_view:=false") as running:
            return _watch(running, seconds / WINDOWS)
    finally:
        rclpy.try_shutdown()


def good(figures: dict[str, Any]) -> bool:
    """Whether everything stayed as it was, and trials succeeded."""
    first, last = figures["windows"][0], figures["windows"][-1]
    flat = all(
        last["nodes"][name]["memory_mb"] - node["memory_mb"] < _GROWTH_MB
        and last["nodes"][name]["handles"] - node["handles"] < _GROWTH_HANDLES
        for name, node in first["nodes"].items()
    )
    return flat and figures["successes"] > 0.8 * figures["trials"]


def table(figures: dict[str, Any]) -> Table:
    """One row a node, from the first sixth to the last."""
    minutes = figures["seconds"] / 60
    shown = Table(title=f"{minutes:.0f} minutes of trials, {os.cpu_count()} cores, by sixths")
    shown.add_column("what")
    shown.add_column("in each sixth", justify="right")
    windows = figures["windows"]
    for name in windows[0]["nodes"]:
        for kind in ("memory_mb", "handles", "threads"):
            values = " ".join(f"{window['nodes'][name][kind]:.0f}" for window in windows)
            shown.add_row(f"{name}: {kind.replace('_', ' ')}", values)
    for name in _STREAMS:
        rates = " ".join(f"{window['rates_hz'][name]:.1f}" for window in windows)
        shown.add_row(f"{name} [Hz]", rates)
    shown.add_row("trials that succeeded", f"{figures['successes']} of {figures['trials']}")
    return shown


def _watch(running: Rollout, window_s: float) -> dict[str, Any]:
    probe, executor = Probe(), SingleThreadedExecutor()
    executor.add_node(probe)
    spin(executor, WARM_UP_S)
    windows = []
    with Progress(transient=True) as progress:
        for _ in progress.track(range(WINDOWS), description="soak"):
            probe.clear()
            spin(executor, window_s)
            if running.ended:
                raise PushcellError(f"the rollout has ended:\n{running.output[-2000:]}")
            rates = {name: len(probe.arrivals[name]) / window_s for name in _STREAMS}
            windows.append({"nodes": _nodes(running), "rates_hz": rates})
    trials = [json.loads(line) for line in (running.folder / "trials.jsonl").open()]
    return {
        "seconds": window_s * WINDOWS,
        "windows": windows,
        "trials": len(trials),
        "successes": sum(trial["success"] for trial in trials),
    }


def _nodes(running: Rollout) -> dict[str, dict[str, float]]:
    return {
        name: {
            "memory_mb": process.memory_info().rss / 1e6,
            "handles": process.num_fds(),
            "threads": process.num_threads(),
        }
        for name, process in running.nodes().items()
    }
