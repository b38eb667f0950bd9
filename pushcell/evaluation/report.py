"""What an evaluation tells: the figures, their table, and a picture of the starts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from pushcell.config import SuccessConfig
from pushcell.evaluation.trial import Evaluation, Trial
from pushcell.geometry import PlanarPose
from pushcell.statistics import wilson_interval
from pushcell.task import Task

_SHEET = 30
_SUCCESS, _FAILURE = "tab:green", "tab:red"


def figures(evaluation: Evaluation, trials: Sequence[Trial]) -> dict[str, Any]:
    """All there is to tell, as plain values; the trials in the order of their seeds."""
    trials = sorted(trials, key=lambda trial: trial.seed)
    good = [trial for trial in trials if trial.success]
    return {
        "policy": evaluation.policy,
        "world": evaluation.world,
        "time_step_s": evaluation.time_step_s,
        "chunking": evaluation.chunking,
        "delay_s": list(asdict(evaluation.delay).values()),
        "motion": evaluation.motion if evaluation.is_bundle else "direct",
        "smoothness": _smoothness(trials),
        "trials": len(trials),
        "successes": len(good),
        "success_rate": len(good) / len(trials),
        "wilson95": list(wilson_interval(len(good), len(trials))),
        "final_position_error_m": _distribution([trial.position_error_m for trial in trials]),
        "final_angle_error_rad": _distribution([trial.angle_error_rad for trial in trials]),
        "duration_s_of_successes": _distribution([trial.duration_s for trial in good]),
        "definitions": _definitions(evaluation.cell.task.success),
        "per_trial": [trial.describe() for trial in trials],
    }


def table(shown: dict[str, Any]) -> Table:
    """The figures for people; failures one by one."""
    low, high = shown["wilson95"]
    place, angle = shown["final_position_error_m"], shown["final_angle_error_rad"]
    duration = shown["duration_s_of_successes"]
    result = Table(title=f"{shown['policy']} in the {shown['world']} world", show_header=False)
    result.add_row("succeeded", f"{shown['successes']} of {shown['trials']}")
    result.add_row("rate", f"{shown['success_rate']:.1%}, 95 % interval {low:.1%} to {high:.1%}")
    for name, values, scale in (
        ("final position error [mm]", place, 1e3),
        ("final angle error [deg]", angle, 180 / math.pi),
        ("duration of successes [s]", duration, 1.0),
    ):
        if values is not None:
            parts = (f"{what} {value * scale:.1f}" for what, value in values.items())
            result.add_row(name, ", ".join(parts))
    for name, value in (shown["smoothness"] or {}).items():
        result.add_row(name, f"{value:.4g}")
    failed = [trial for trial in shown["per_trial"] if not trial["success"]]
    for trial in failed[:10]:
        result.add_row(f"[red]failed, seed {trial['seed']}[/]", trial["reason"])
    if len(failed) > 10:
        result.add_row("[red]failed besides[/]", str(len(failed) - 10))
    return result


def draw_starts(evaluation: Evaluation, trials: Sequence[Trial], picture: Path) -> None:
    """Outlines of the slider where each trial began, coloured by how it ended."""
    task, cell = evaluation.task, evaluation.cell
    figure = Figure(figsize=(7, 8), layout="constrained")
    axes = figure.subplots()
    count = Counter(trial.success for trial in trials)
    for trial in sorted(trials, key=lambda trial: not trial.success):
        x, y, theta = trial.start
        end = 0.6 * task.shape.radius_m * np.array([math.sin(theta), -math.cos(theta)])
        axes.plot(
            [x, x + end[0]],
            [y, y + end[1]],
            color=_SUCCESS if trial.success else _FAILURE,
            marker="o",
            markevery=[0],
            alpha=0.5 if trial.success else 1.0,
        )
    for outline, style in (
        (cell.workspace.polygon.vertices, {"color": "grey", "label": "workspace"}),
        (task.shape.outline_at(task.goal), {"color": "black", "label": "goal"}),
    ):
        axes.plot(*np.vstack([outline, outline[:1]]).T, **style)
    axes.plot([], [], color=_SUCCESS, marker="o", label=f"success ({count[True]})")
    axes.plot([], [], color=_FAILURE, marker="o", label=f"failure ({count[False]})")
    title = f"starts: {evaluation.policy} in the {evaluation.world} world"
    axes.set(title=title, xlabel="x [m]", ylabel="y [m]", aspect="equal")
    axes.legend(loc="upper right", fontsize="small")
    figure.savefig(picture, dpi=100)


def draw_failures(evaluation: Evaluation, trials: Sequence[Trial], picture: Path) -> None:
    """A contact sheet: the way that slider and pusher took in each failed trial."""
    failed = sorted((t for t in trials if not t.success), key=lambda t: t.seed)[:_SHEET]
    columns = min(6, max(1, len(failed)))
    rows = max(1, -(-len(failed) // columns))
    figure = Figure(figsize=(2.6 * columns, 3 * rows), layout="constrained")
    task, grid = evaluation.task, figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, trial in zip(grid, failed, strict=False):
        poses = [PlanarPose.from_array(state[:3]) for state in trial.way]
        for k, pose in enumerate(poses):
            _draw_outline(axes, task, pose, color=_FAILURE, alpha=(k + 1) / len(poses))
        _draw_outline(axes, task, task.goal, color="black")
        axes.plot(*np.array(trial.way)[:, 3:].T, color="tab:blue", linewidth=0.8)
        axes.set(aspect="equal")
        axes.set_title(f"seed {trial.seed}: {trial.reason}", fontsize=6, wrap=True)
    figure.savefig(picture, dpi=100)


def _draw_outline(axes: Any, task: Task, pose: PlanarPose, **style: Any) -> None:
    outline = task.shape.outline_at(pose)
    axes.plot(*np.vstack([outline, outline[:1]]).T, linewidth=0.8, **style)


def _smoothness(trials: Sequence[Trial]) -> dict[str, float] | None:
    """Means over trials; None where motion is not filtered."""
    known = [asdict(trial.smoothness) for trial in trials if trial.smoothness]
    if not known:
        return None
    return {key: float(np.mean([values[key] for values in known])) for key in known[0]}


def _distribution(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    p50, p90, p95 = np.percentile(values, [50, 90, 95])
    return {"p50": float(p50), "p90": float(p90), "p95": float(p95), "max": float(max(values))}


def _definitions(success: SuccessConfig) -> dict[str, str]:
    return {
        "success": (
            f"at the end the slider is within {success.position_m} m and "
            f"{math.degrees(success.angle_rad):.2f} deg of the goal and the pusher within "
            f"{success.pusher_home_m} m of its home, in at most {success.time_limit_s} s"
        ),
        "final errors": "of the slider's true pose when the trial ends, failures included",
        "wilson95": "Wilson's score interval of the success rate, 95 %",
        "seed": "trial i has the evaluation's seed plus i, and draws its start from it alone",
    }
