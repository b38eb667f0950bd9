"""What a study came to: its cells, pooled over seeds, as a table, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from pushcell.evaluation.statistics import wilson_interval
from pushcell.studies.power_law import GROUPED_BY, measure_of
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
        "validation": _means([row["validation"] for row in group]),
        "parameters": group[0]["parameters"],
        "latency_p50_ms": float(np.mean([row["latency_p50_ms"] for row in group])),
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


def draw(study: Study, points: Sequence[Row], laws: Sequence[Row] = ()) -> Figure:
    """What the study asks for: success with its Wilson band, or action errors with power laws.

    Published rates are hollow circles.
    """
    asked = study.picture
    panels = _values(points, asked.panels)
    figure = Figure(figsize=(4.2 * len(panels) + 1, 4), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        shown = _of(points, asked.panels, panel)
        for number, line in enumerate(_values(shown, asked.lines)):
            own, colour = _of(shown, asked.lines, line), f"C{number}"
            label = "" if asked.lines is None else f"{asked.lines} {line}"
            if asked.y == "action_error":
                _draw_errors(axes, study, own, laws, colour, label)
                continue
            _draw_line(axes, asked, own, colour, label)
            known = _matching(study.published, asked, panel, line)
            _draw_published(axes, asked, known, own, colour)
        axes.set(xlabel=_LABELS[asked.x])
        axes.set_title("" if asked.panels is None else f"{asked.panels} {panel}")
        axes.grid(alpha=0.3)
        if asked.x == "variant":
            axes.tick_params(axis="x", labelrotation=30)
        if asked.y == "success":
            axes.set(ylim=(-0.02, 1.02))
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize="small")
    unit, _ = _length_unit(study)
    errors = f"action error in held-out episodes [{unit}]"
    grid[0].set_ylabel(errors if asked.y == "action_error" else "success, 95 % interval")
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


def _draw_errors(
    axes: Axes, study: Study, own: Sequence[Row], laws: Sequence[Row], colour: str, label: str
) -> None:
    """Means over seeds, and the power law of each (target, alpha, variant) among the points."""
    axes.set(xscale="log", yscale="log")
    _, scale = _length_unit(study)
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for point in own:
        if point["source"]:
            groups.setdefault(tuple(point[key] for key in GROUPED_BY), []).append(point)
    for key, group in groups.items():
        law = next((one for one in laws if key == tuple(one[k] for k in GROUPED_BY)), None)
        measure = law["measure"] if law else measure_of([point["validation"] for point in group])
        if measure is None:
            continue
        sizes = np.array([point["source"] for point in group])
        errors = [scale * point["validation"][measure] for point in group]
        told = label
        if law is not None:
            told += " b {:.2f} ({:.2f} to {:.2f})".format(law["exponent"], *law["bootstrap95"])
            ends = np.array([sizes.min(), sizes.max()])
            axes.plot(ends, scale * law["factor"] * ends ** law["exponent"], color=colour)
        axes.scatter(sizes, errors, color=colour, label=told.strip())


def _length_unit(study: Study) -> tuple[str, float]:
    """The unit that lengths are shown in, and the data's lengths in it."""
    return ("px", 1.0) if study.evaluate.world == "pusht" else ("mm", 1e3)


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
