"""Demonstrations of the scripted operator: ``python docs/make_scripted_operator_picture.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pushcell.config.cell import load_cell
from pushcell.demonstrators.registry import demonstrator
from pushcell.geometry import PlanarPose
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.target_world import TargetWorld
from pushcell.task import Task

DOCS = Path(__file__).resolve().parent
SEEDS = (0, 2, 5)
TIME_STEP_S = 0.005
EVERY_S = 3.0


def main() -> None:
    """A column a start: the scripted operator's path above the planner's."""
    cell = load_cell(DOCS.parent / "config" / "cell.sim.yaml")
    task, world = Task.of(cell.task, cell.pusher.radius_m), TargetWorld(cell, TIME_STEP_S)
    figure = Figure(figsize=(12, 9), layout="constrained")
    rows = figure.subplots(2, len(SEEDS), sharex=True, sharey=True)
    for row, name in zip(rows, ("scripted_operator", "planner"), strict=True):
        for axes, seed in zip(row, SEEDS, strict=True):
            world.reset(task.sample_start(np.random.default_rng(seed)), task.pusher_home)
            controller = demonstrator(name)(cell, np.random.default_rng([seed, 1]))
            result = run_closed_loop(world, controller, task)
            draw(axes, task, result)
            axes.set_title(f"{name}, seed {seed}: {result.duration_s:.0f} s")
    figure.savefig(DOCS / "scripted_operator.png", dpi=90)


def draw(axes: Axes, task: Task, result: TrialResult) -> None:
    """The slider every few seconds, darker later; the pusher's path, blue early and red late."""
    every = np.arange(0, len(result.times_s), round(EVERY_S * 10))
    for index in (*every, len(result.times_s) - 1):
        outline = task.shape.outline_at(PlanarPose.from_array(result.slider_poses[index]))
        shade = 0.2 + 0.8 * result.times_s[index] / result.duration_s
        axes.plot(*np.vstack([outline, outline[:1]]).T, color="black", alpha=shade, linewidth=0.8)
    goal = task.shape.outline_at(task.goal)
    axes.fill(*goal.T, color="tab:green", alpha=0.3)
    axes.scatter(*result.pusher_positions.T, c=result.times_s, s=3, cmap="coolwarm")
    axes.set(aspect="equal", xlabel="x [m]", ylabel="y [m]")


if __name__ == "__main__":
    main()
