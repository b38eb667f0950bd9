"""What a study of delays tells: a row for each condition, and a picture of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from policy_server.delay import InjectedDelay
from pushcell.command_output import write_picture
from pushcell.evaluation.comparison import bootstrap_interval, mcnemar_exact
from pushcell.evaluation.delay_study import Condition, DelayStudy, DelayTrial
from pushcell.evaluation.statistics import wilson_interval

_SMOOTHNESS = {
    "jerk_rms_m_s3": "jerk, rms [m/s³]",
    "still_share": "standstill, share of the time",
    "border_jumps_m": "jump of the target at borders [m]",
    "border_jumps_m_s": "jump of its velocity at borders [m/s]",
}
"""Fields of `Smoothness`, with what they are called."""


def figures(study: DelayStudy, outcomes: Sequence[DelayTrial], seconds: float) -> dict[str, Any]:
    """All there is to tell, as plain values; differences are to the same chunking's first delay."""
    trials: dict[Condition, list[dict[str, Any]]] = {key: [] for key in study.conditions}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.trial["seed"]):
        trials[outcome.condition].append(outcome.trial)
    base = study.conditions[0].delay
    rows = [
        _row(condition, trials[condition], trials[Condition(condition.chunking, base)])
        for condition in study.conditions
    ]
    return {**study.settings, "seconds": seconds, "conditions": rows}


def table(shown: dict[str, Any]) -> Table:
    """A row for each condition."""
    result = Table(title=f"{shown['policy']} in the target world")
    titles = ["success", "95 % interval", "difference", "p", "jerk [m/s³]", "still", "jump [mm]",
              "jump [mm/s]", "duration [s]"]  # fmt: skip
    result.add_column("chunking")
    result.add_column("delay [s]")
    for title in titles:
        result.add_column(title, justify="right")
    before = None
    for row in shown["conditions"]:
        if row["chunking"] != before:
            result.add_section()
        before = row["chunking"]
        (low, high), smooth = row["wilson95"], row["smoothness"]
        result.add_row(
            row["chunking"],
            row["delay"],
            f"{row['successes']} of {row['trials']}",
            f"{low:.0%} to {high:.0%}",
            f"{row['difference']:+.0%}",
            f"{row['p']:.2g}",
            f"{smooth['jerk_rms_m_s3']:.2f}",
            f"{smooth['still_share']:.0%}",
            f"{1e3 * smooth['border_jumps_m']:.1f}",
            f"{1e3 * smooth['border_jumps_m_s']:.0f}",
            f"{row['duration_s_of_successes'] or math.nan:.1f}",
        )
    return result


def draw(shown: dict[str, Any], picture: Path) -> None:
    """Success with its interval, and smoothness, over the delays; a line for each chunking."""
    rows = shown["conditions"]
    delays = list(dict.fromkeys(row["delay"] for row in rows))
    chunkings = list(dict.fromkeys(row["chunking"] for row in rows))
    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for number, chunking in enumerate(chunkings):
        mine = [row for row in rows if row["chunking"] == chunking]
        places = np.arange(len(delays)) + 0.08 * (number - (len(chunkings) - 1) / 2)
        rates = np.array([row["success_rate"] for row in mine])
        low, high = np.array([row["wilson95"] for row in mine]).T
        spread = np.clip([rates - low, high - rates], 0, None)
        style = {"marker": "o", "markersize": 4, "label": chunking, "color": f"C{number}"}
        axes[0].errorbar(places, rates, spread, capsize=2, **style)
        for place, key in zip(axes[1:], ("jerk_rms_m_s3", "still_share", "border_jumps_m_s"),
                              strict=True):  # fmt: skip
            place.plot(places, [row["smoothness"][key] for row in mine], **style)
            place.set_ylabel(_SMOOTHNESS[key])
    axes[0].set(ylabel="success", ylim=(0, 1.02))
    axes[0].legend(fontsize="small")
    for place in axes:
        place.set_xticks(range(len(delays)), [_label(delay) for delay in delays])
        place.set_xlabel("delay of a chunk [ms]")
        place.set_ylim(bottom=0)  # once all lines are there: it ends the scaling to them
        place.grid(alpha=0.3)
    figure.suptitle(f"{shown['policy']}: {rows[0]['trials']} starts, the same in every condition")
    write_picture(figure, picture)


def _row(
    condition: Condition, trials: list[dict[str, Any]], base: list[dict[str, Any]]
) -> dict[str, Any]:
    good = np.array([trial["success"] for trial in trials])
    differences = good.astype(int) - np.array([trial["success"] for trial in base]).astype(int)
    only = int((differences < 0).sum()), int((differences > 0).sum())
    durations = [trial["duration_s"] for trial in trials if trial["success"]]
    return {
        "chunking": condition.chunking,
        "delay": condition.delay,
        "trials": len(trials),
        "successes": int(good.sum()),
        "success_rate": float(good.mean()),
        "wilson95": list(wilson_interval(int(good.sum()), len(trials))),
        "difference": float(differences.mean()),
        "interval95": list(bootstrap_interval(differences, 0)),
        "p": mcnemar_exact(*only),
        "smoothness": {
            key: float(np.mean([trial["smoothness"][key] for trial in trials]))
            for key in _SMOOTHNESS
        },
        "duration_s_of_successes": float(np.median(durations)) if durations else None,
        "per_trial": trials,
    }


def _label(delay: str) -> str:
    found = InjectedDelay.parse(delay)
    if found.low_s == found.high_s:
        return f"{1e3 * found.low_s:.0f}"
    return f"{1e3 * found.low_s:.0f}, bursts\nof {1e3 * found.high_s:.0f}"
