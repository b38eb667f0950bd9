"""How fast and how well the planner plans: random starts of every slider, and closed loops."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from rich.table import Table

from pushcell.cli.bench import BENCHMARKS
from pushcell.config.cell import CellConfig, load_cell
from pushcell.demonstrators.planner import ClosedLoopPlanner, PushPlan, PushPlanner
from pushcell.errors import PlanningError
from pushcell.simulation.closed_loop import run_closed_loop
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.simulation.world import PushingWorld
from pushcell.task import SLIDERS, Task

STARTS = 200
TARGET_TRIALS = 20
TARGET_STEP_S = 0.005
BOXES_M = ((0.4, 0.3), (0.35, 0.5))


def run() -> dict[str, Any]:
    """Plans of random starts for each slider and box, and whole trials with the T."""
    cell = load_cell(BENCHMARKS.parent / "config" / "cell.sim.yaml")
    return {
        "plans": {
            f"{name}, {box[0]} x {box[1]} m": _plans(_changed(cell, name, box))
            for name in SLIDERS
            for box in BOXES_M
        },
        "closed_loop": {
            "source": _trials(cell, SourceWorld(cell), STARTS),
            f"target, {1e3 * TARGET_STEP_S:.0f} ms": _trials(
                cell, TargetWorld(cell, TARGET_STEP_S), TARGET_TRIALS
            ),
        },
    }


def table(figures: dict[str, Any]) -> Table:
    """A row a slider and box, then a row a world."""
    shown = Table(title="planner: wall-clock ms a plan, seconds a demonstration, mm at the goal")
    for title in ("what", "done", "median ms", "p95 ms", "median s", "p95 s", "worst mm"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    rows = {f"plan {what}": row for what, row in figures["plans"].items()}
    rows |= {f"loop {world}": row for world, row in figures["closed_loop"].items()}
    for what, row in rows.items():
        numbers = (f"{row[key]:.1f}" for key in ("ms_p50", "ms_p95", "s_p50", "s_p95"))
        shown.add_row(what, f"{row['done']} / {row['of']}", *numbers, f"{row['worst_mm']:.2f}")
    return shown


def _changed(cell: CellConfig, slider: str, box_m: tuple[float, float]) -> CellConfig:
    task = cell.task.model_copy(update={"slider": slider, "start_box_m": box_m})
    return cell.model_copy(update={"task": task})


def _plans(cell: CellConfig) -> dict[str, float]:
    task, planner = Task.of(cell.task, cell.pusher.radius_m), PushPlanner(cell)
    rng = np.random.default_rng(0)
    took_ms: list[float] = []
    plans: list[PushPlan] = []
    for _ in range(STARTS):
        start = task.sample_start(rng)
        began = time.perf_counter()
        try:
            plans.append(planner.plan(start, task.pusher_home))
        except PlanningError:
            continue
        finally:
            took_ms.append(1e3 * (time.perf_counter() - began))
    errors_mm = [1e3 * plan.slider_end.distance_to(task.goal)[0] for plan in plans]
    return _row(STARTS, len(plans), took_ms, [plan.duration_s for plan in plans], errors_mm)


def _trials(cell: CellConfig, world: PushingWorld, count: int) -> dict[str, float]:
    """Whole trials; the ms are of wall-clock time a trial."""
    task, planner = Task.of(cell.task, cell.pusher.radius_m), ClosedLoopPlanner(cell)
    rng = np.random.default_rng(0)
    took_ms, results = [], []
    for _ in range(count):
        world.reset(task.sample_start(rng), task.pusher_home)
        began = time.perf_counter()
        results.append(run_closed_loop(world, planner, task))
        took_ms.append(1e3 * (time.perf_counter() - began))
    good = [result for result in results if result.success]
    errors_mm = [1e3 * result.position_error_m for result in good]
    return _row(count, len(good), took_ms, [result.duration_s for result in good], errors_mm)


def _row(
    of: int, done: int, took_ms: list[float], durations_s: list[float], errors_mm: list[float]
) -> dict[str, float]:
    return {
        "of": of,
        "done": done,
        "ms_p50": statistics.median(took_ms),
        "ms_p95": float(np.percentile(took_ms, 95)),
        "s_p50": statistics.median(durations_s),
        "s_p95": float(np.percentile(durations_s, 95)),
        "worst_mm": max(errors_mm),
    }
