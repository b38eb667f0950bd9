"""What an evaluation tells: the figures and their table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from pushcell.config.cell import SuccessConfig
from pushcell.evaluation.statistics import wilson_interval
from pushcell.evaluation.trial import Evaluation, Trial


def figures(evaluation: Evaluation, trials: Sequence[Trial]) -> dict[str, Any]:
    """All there is to tell, as plain values; the trials in the order of their seeds."""
    every = sorted(trials, key=lambda trial: trial.seed)
    trials = [trial for trial in every if not trial.void]
    good = [trial for trial in trials if trial.success]
    return {
        "policy": evaluation.policy,
        "world": evaluation.world,
        "time_step_s": evaluation.time_step_s,
        "chunking": evaluation.chunking,
        "delay_s": list(asdict(evaluation.delay).values()),
        "motion": evaluation.motion if evaluation.is_bundle else "direct",
        "shifts": dict(sorted(evaluation.shifts.levels.items())),
        "smoothness": _smoothness(trials),
        "trials": len(trials),
        "void": len(every) - len(trials),
        "successes": len(good),
        "success_rate": len(good) / len(trials),
        "wilson95": list(wilson_interval(len(good), len(trials))),
        "final_position_error_m": _distribution([trial.position_error_m for trial in trials]),
        "final_angle_error_rad": _distribution([trial.angle_error_rad for trial in trials]),
        "duration_s_of_successes": _distribution([trial.duration_s for trial in good]),
        "definitions": _definitions(evaluation.cell.task.success),
        "per_trial": [trial.describe() for trial in every],
    }


def void_reasons(trials: Sequence[Trial]) -> str:
    """Why trials were void, with counts, the worst first; empty where none was."""
    reasons = Counter(trial.reason for trial in trials if trial.void)
    return "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())


def table(shown: dict[str, Any]) -> Table:
    """The figures for people; failures one by one."""
    low, high = shown["wilson95"]
    place, angle = shown["final_position_error_m"], shown["final_angle_error_rad"]
    duration = shown["duration_s_of_successes"]
    shifts = "".join(f", {name}={level}" for name, level in shown["shifts"].items())
    title = f"{shown['policy']} in the {shown['world']} world{shifts}"
    result = Table(title=title, show_header=False)
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
    if shown["void"]:
        result.add_row("[red]void, and not counted[/]", str(shown["void"]))
    failed = [trial for trial in shown["per_trial"] if not trial["success"]]
    for trial in failed[:10]:
        result.add_row(f"[red]failed, seed {trial['seed']}[/]", trial["reason"])
    if len(failed) > 10:
        result.add_row("[red]failed besides[/]", str(len(failed) - 10))
    return result


def _smoothness(trials: Sequence[Trial]) -> dict[str, float] | None:
    """Means over trials; None where motion is not filtered."""
    known = [asdict(trial.smoothness) for trial in trials if trial.smoothness]
    if not known:
        return None
    return {key: float(np.mean([values[key] for values in known])) for key in known[0]}


def _distribution(known: Sequence[float | None]) -> dict[str, float] | None:
    values = [value for value in known if value is not None]
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
