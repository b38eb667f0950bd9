"""A study's picture: success or action errors over what was varied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pushcell.studies.power_law import GROUPED_BY
from pushcell.studies.report import Row
from pushcell.studies.schema import NO_ALPHA, Picture, Published, Study

Floats = NDArray[np.float64]
_UNITS = {"cell": ("mm", 1e3), "pusht": ("px", 1.0)}
"""Task -> the unit that lengths are shown in, and the data's lengths in it."""


def draw(study: Study, points: Sequence[Row], laws: Sequence[Row] = ()) -> Figure:
    """What the study asks for: success with its Wilson band, or action errors with power laws.

    Published rates are hollow circles.
    """
    asked, (unit, scale) = study.picture, _UNITS[points[0]["task"]]
    panels = _values(points, asked.panels)
    figure = Figure(figsize=(4.2 * len(panels) + 1, 4), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        shown = _of(points, asked.panels, panel)
        for number, line in enumerate(_values(shown, asked.lines)):
            own, colour = _of(shown, asked.lines, line), f"C{number}"
            label = "" if asked.lines is None else f"{asked.lines} {line}"
            if asked.y == "action_error" and asked.x == "source":
                _draw_power_laws(axes, scale, own, laws, colour, label)
                continue
            drawn = _errors(own, scale) if asked.y == "action_error" else _rates(own)
            _draw_line(axes, asked, own, drawn, colour, label)
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


class _Drawn(NamedTuple):
    """Of P points: what is drawn, (P,), its interval (P, 2), and each seed's."""

    values: Floats
    interval: Floats
    of_each_seed: list[list[float]]


def _rates(own: Sequence[Row]) -> _Drawn:
    """Success with its Wilson interval."""
    return _Drawn(
        np.array([point["success_rate"] for point in own]),
        np.array([point["wilson95"] for point in own]),
        [point["of_each_seed"] for point in own],
    )


def _errors(own: Sequence[Row], scale: float) -> _Drawn:
    """Means of the action errors, from the least to the largest of all seeds."""
    single = [[scale * error for error in point["errors_of_each_seed"]] for point in own]
    means = np.array([np.mean(errors) if errors else np.nan for errors in single])
    ends = np.array([(min(e), max(e)) if e else (np.nan, np.nan) for e in single])
    return _Drawn(means, ends, single)


def _draw_line(
    axes: Axes, asked: Picture, own: Sequence[Row], drawn: _Drawn, colour: str, label: str
) -> None:
    places, (low, high) = _places(asked, own), drawn.interval.T
    joined = asked.x in ("target", "source", "alpha") and len(own) > 1
    bars = np.clip([drawn.values - low, high - drawn.values], 0, None)
    axes.errorbar(
        places, drawn.values, bars, fmt="o-" if joined else "o", color=colour, label=label,
        capsize=3,
    )  # fmt: skip
    if joined:
        axes.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
    for place, single in zip(places, drawn.of_each_seed, strict=True):
        axes.scatter([place] * len(single), single, color=colour, marker="_", s=60, alpha=0.5)
    for place, value, point in zip(places, drawn.values, own, strict=True):
        if asked.x == "latency":
            axes.annotate(point["variant"], (place, value), (6, -12), textcoords="offset points")


def _draw_power_laws(
    axes: Axes, scale: float, own: Sequence[Row], laws: Sequence[Row], colour: str, label: str
) -> None:
    """Means over seeds, and the power law of each (target, alpha, variant) among the points."""
    axes.set(xscale="log", yscale="log")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for point in own:
        if point["source"]:
            groups.setdefault(tuple(point[key] for key in GROUPED_BY), []).append(point)
    for key, group in groups.items():
        law = next((one for one in laws if key == tuple(one[k] for k in GROUPED_BY)), None)
        known = [point for point in group if point["errors_of_each_seed"]]
        if not known:
            continue
        sizes = np.array([point["source"] for point in known])
        errors = [scale * np.mean(point["errors_of_each_seed"]) for point in known]
        told = label
        if law is not None:
            told += " b {:.2f} ({:.2f} to {:.2f})".format(law["exponent"], *law["bootstrap95"])
            ends = np.array([sizes.min(), sizes.max()])
            axes.plot(ends, scale * law["factor"] * ends ** law["exponent"], color=colour)
        axes.scatter(sizes, errors, color=colour, label=told.strip())


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
