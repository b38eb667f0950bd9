"""What a study came to: its cells, pooled over seeds, and a table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from pushcell.evaluation.statistics import wilson_interval
from pushcell.studies.power_law import target_error
from pushcell.studies.schema import Study

_AXES = ("target", "source", "alpha", "variant")
Row = dict[str, Any]


def pooled(rows: Sequence[Row]) -> list[Row]:
    """A row for each point of the grid: the trials of all its seeds together.

    The interval takes them for independent, which trials of one training are not quite: the rates
    of the single seeds stand beside it.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(axis) for axis in _AXES), []).append(row)
    return [_pool(group) for group in groups.values()]


def _pool(group: list[Row]) -> Row:
    errors = [error for row in group if (error := target_error(row)) is not None]
    return {
        **{axis: group[0][axis] for axis in _AXES if axis in group[0]},
        "seeds": [row["seed"] for row in group],
        **(_pooled_trials(group) if "trials" in group[0] else {}),
        "validation": _means([row["validation"] for row in group]),
        "errors_of_each_seed": errors,
        "task": group[0]["task"],
        "parameters": group[0]["parameters"],
        "latency_p50_ms": float(np.mean([row["latency_p50_ms"] for row in group])),
    }


def _pooled_trials(group: list[Row]) -> Row:
    successes, trials = (sum(row[key] for row in group) for key in ("successes", "trials"))
    return {
        "successes": successes,
        "trials": trials,
        "success_rate": successes / trials,
        "wilson95": list(wilson_interval(successes, trials)),
        "of_each_seed": [row["success_rate"] for row in group],
    }


def _means(validations: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of those figures that all have."""
    keys = [key for key in validations[0] if all(key in one for one in validations)]
    return {key: float(np.mean([one[key] for one in validations])) for key in keys}


def table(study: Study, points: Sequence[Row]) -> Table:
    """For people; only what varies has a column."""
    shown = Table(title=study.title)
    varied = [a for a in _AXES if len({point.get(a) for point in points}) > 1] or ["variant"]
    for axis in varied:
        shown.add_column(axis, justify="left" if axis == "variant" else "right")
    columns = dict(_SUCCESS if study.evaluate is not None else _ERRORS)
    if study.picture.x == "latency":
        columns |= _LATENCY
    for title in columns:
        shown.add_column(title, justify="right")
    for point in points:
        words = [describe(point) for describe in columns.values()]
        shown.add_row(*(str(point.get(axis)) for axis in varied), *words)
    return shown


def _interval(point: Row) -> str:
    low, high = point["wilson95"]
    return f"{low:.0%} to {high:.0%}"


_SUCCESS: dict[str, Callable[[Row], str]] = {
    "success": lambda point: f"{point['successes']} of {point['trials']}",
    "95 % interval": _interval,
    "each seed": lambda point: ", ".join(f"{rate:.0%}" for rate in point["of_each_seed"]),
}
_ERRORS: dict[str, Callable[[Row], str]] = {
    "action error in held-out episodes, each seed": lambda point: ", ".join(
        f"{error:.4g}" for error in point["errors_of_each_seed"]
    )
}
_LATENCY: dict[str, Callable[[Row], str]] = {
    "parameters": lambda point: f"{point['parameters']:,}",
    "ms a chunk": lambda point: f"{point['latency_p50_ms']:.2f}",
}
