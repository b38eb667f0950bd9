"""What a study came to: its cells, pooled over seeds, as a table, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from pushcell.evaluation.statistics import wilson_interval
from pushcell.studies.schema import NO_ALPHA, Picture, Published, Study

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
    successes, trials = (sum(row[key] for row in group) for key in ("successes", "trials"))
    return {
        **{axis: group[0][axis] for axis in _AXES if axis in group[0]},
        "seeds": [row["seed"] for row in group],
        "successes": successes,
        "trials": trials,
        "success_rate": successes / trials,
        "wilson95": list(wilson_interval(successes, trials)),
        "of_each_seed": [row["success_rate"] for row in group],
        "parameters": group[0]["parameters"],
        "latency_p50_ms": float(np.mean([row["latency_p50_ms"] for row in group])),
    }


def table(study: Study, points: Sequence[Row]) -> Table:
    """For people; only what varies has a column."""
    shown = Table(title=study.title)
    varied = [a for a in _AXES if len({point.get(a) for point in points}) > 1] or ["variant"]
    for axis in varied:
        shown.add_column(axis, justify="left" if axis == "variant" else "right")
    for title in ("success", "95 % interval", "each seed"):
        shown.add_column(title, justify="right")
    by_latency = study.picture.x == "latency"
    for title in ("parameters", "ms a chunk") if by_latency else ():
        shown.add_column(title, justify="right")
    for point in points:
        low, high = point["wilson95"]
        words = [
            f"{point['successes']} of {point['trials']}",
            f"{low:.0%} to {high:.0%}",
            ", ".join(f"{rate:.0%}" for rate in point["of_each_seed"]),
        ]
        if by_latency:
            words += [f"{point['parameters']:,}", f"{point['latency_p50_ms']:.2f}"]
        shown.add_row(*(str(point.get(axis)) for axis in varied), *words)
    return shown


def draw(study: Study, points: Sequence[Row]) -> Figure:
    """Success with its Wilson band as the study asks for; published rates as hollow circles."""
    asked = study.picture
    panels = _values(points, asked.panels)
    figure = Figure(figsize=(4.2 * len(panels) + 1, 4), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        shown = _of(points, asked.panels, panel)
        for number, line in enumerate(_values(shown, asked.lines)):
            own = _of(shown, asked.lines, line)
            label = "" if asked.lines is None else f"{asked.lines} {line}"
            _draw_line(axes, asked, own, f"C{number}", label)
            known = _matching(study.published, asked, panel, line)
            _draw_published(axes, asked, known, own, f"C{number}")
        axes.set(xlabel=_LABELS[asked.x], ylim=(-0.02, 1.02))
        axes.set_title("" if asked.panels is None else f"{asked.panels} {panel}")
        axes.grid(alpha=0.3)
        if asked.x == "variant":
            axes.tick_params(axis="x", labelrotation=30)
        if asked.lines is not None:
            axes.legend(fontsize="small")
    grid[0].set_ylabel("success, 95 % interval")
    figure.suptitle(study.title)
    return figure


_LABELS = {
    "target": "target episodes",
    "source": "source episodes",
    "alpha": "alpha: share of the target set in a batch",
    "variant": "",
    "latency": "ms a chunk, one thread",
}


def _values(points: Sequence[Row], axis: str | None) -> list[Any]:
    return [None] if axis is None else list(dict.fromkeys(point.get(axis) for point in points))


def _of(points: Sequence[Row], axis: str | None, value: Any) -> list[Row]:
    return [point for point in points if axis is None or point.get(axis) == value]


def _places(asked: Picture, own: Sequence[Row]) -> list[Any]:
    key = "latency_p50_ms" if asked.x == "latency" else asked.x
    return [str(p[key]) if asked.x in ("alpha", "variant") else p[key] for p in own]


def _draw_line(axes: Axes, asked: Picture, own: Sequence[Row], colour: str, label: str) -> None:
    places, rates = _places(asked, own), np.array([point["success_rate"] for point in own])
    low, high = np.array([point["wilson95"] for point in own]).T
    joined = asked.x in ("target", "source", "alpha") and len(own) > 1
    axes.errorbar(
        places, rates, np.clip([rates - low, high - rates], 0, None), fmt="o-" if joined else "o",
        color=colour, label=label, capsize=3,
    )  # fmt: skip
    if joined:
        axes.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
    for place, point in zip(places, own, strict=True):
        single = point["of_each_seed"]
        axes.scatter([place] * len(single), single, color=colour, marker="_", s=60, alpha=0.5)
        if asked.x == "latency":
            axes.annotate(point["variant"], (place, point["success_rate"]), (6, -12),
                          textcoords="offset points")  # fmt: skip


def _draw_published(
    axes: Axes, asked: Picture, known: Sequence[Published], own: Sequence[Row], colour: str
) -> None:
    there = [str(place) for place in _places(asked, own)]
    for one in known:
        given = getattr(one, asked.x, None)
        value = NO_ALPHA if given is None else str(given)
        if value in there:
            place = _places(asked, own)[there.index(value)]
            axes.scatter([place], [one.rate], s=70, facecolors="none", edgecolors=colour, zorder=3)


def _matching(
    published: Sequence[Published], asked: Picture, panel: Any, line: Any
) -> list[Published]:
    wanted = [(asked.panels, panel), (asked.lines, line)]
    return [
        one for one in published
        if all(axis is None or getattr(one, axis, None) == value for axis, value in wanted)
    ]  # fmt: skip
