"""Whether a rollout is the same again on a busy machine: outcomes, durations, commanded tip."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rich.table import Table

from benchmarks.rollout_process import rollout
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell_ros.conversions import to_nanoseconds

DOMAIN = "79"
TRIALS, SEED, BUSY = 5, 100, 4
_SECOND_NS = 10**9


def run(trials: int = TRIALS, seed: int = SEED, busy: int = BUSY) -> dict[str, Any]:
    """The same trials twice: alone, and with busy processes beside them."""
    quiet = roll_out(trials, seed)
    with busy_processes(busy):
        loaded = roll_out(trials, seed)
    return {"busy_processes": busy, "trials": list(map(_compared, quiet, loaded))}


def table(figures: dict[str, Any]) -> Table:
    """One row a trial."""
    shown = Table(title=f"the same trials beside {figures['busy_processes']} busy processes")
    for title in ("seed", "result", "time [s]", "ticks", "tip apart [mm]", "real time [s]"):
        shown.add_column(title, justify="right")
    for row in figures["trials"]:
        shown.add_row(
            str(row["seed"]),
            " / ".join("success" if success else "failure" for success in row["success"]),
            " / ".join(f"{duration_s:.2f}" for duration_s in row["duration_s"]),
            " / ".join(map(str, row["ticks"])),
            f"{1e3 * row['tip_apart_m']:.6f}",
            " / ".join(f"{real_s:.0f}" for real_s in row["real_s"]),
        )
    return shown


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that take all the time they get."""
    processes = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def roll_out(trials: int, seed: int, *more: str) -> list[tuple[dict[str, Any], Array]]:
    """Each trial's record, and its commanded tips (N, 3): nanoseconds since its start, x, y [m].

    ``more`` are arguments of the launch.
    """
    tips: list[tuple[int, float, float]] = []

    def note(message: PoseStamped) -> None:
        place = message.pose.position
        tips.append((to_nanoseconds(message.header.stamp), place.x, place.y))

    rclpy.init(domain_id=int(DOMAIN))
    try:
        node = rclpy.create_node("tip_probe")
        node.create_subscription(PoseStamped, "/motion/target", note, 1000)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        asked = (f"trials:={trials}", f"seed:={seed}", "rate:=max", "video:=false", *more)
        with rollout(DOMAIN, *asked, "live_view:=false") as running:
            while not running.ended:
                executor.spin_once(timeout_sec=0.2)
            file = running.folder / "trials.jsonl"
            if not file.exists():
                raise PushcellError(f"the rollout did not run:\n{running.output}")
            records = [json.loads(line) for line in file.read_text().splitlines()]
    finally:
        rclpy.shutdown()
    return [(record, _of_trial(np.array(tips), record)) for record in records]


def _of_trial(tips: Array, record: dict[str, Any]) -> Array:
    begun_ns = tips[:, 0].astype(np.int64) - record["stamp_ns"]
    during = (begun_ns >= 0) & (begun_ns < record["duration_s"] * _SECOND_NS)
    return np.column_stack([begun_ns, tips[:, 1:]])[during]


def _compared(
    quiet: tuple[dict[str, Any], Array], loaded: tuple[dict[str, Any], Array]
) -> dict[str, Any]:
    (a, tips_a), (b, tips_b) = quiet, loaded
    common, of_a, of_b = np.intersect1d(tips_a[:, 0], tips_b[:, 0], return_indices=True)
    apart = np.linalg.norm(tips_a[of_a, 1:] - tips_b[of_b, 1:], axis=1)
    return {
        "seed": a["seed"],
        **{key: [a[key], b[key]] for key in ("success", "duration_s", "real_s", "void")},
        "ticks": [len(tips_a), len(tips_b)],
        "ticks_compared": len(common),
        "tip_apart_m": float(apart.max()) if len(common) else None,
    }


def _spin() -> None:
    while True:
        pass
