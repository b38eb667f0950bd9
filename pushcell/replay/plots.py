"""The report's plots."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pushcell.replay.pictures import POLICIES
from pushcell.replay.result import ReplayResult

_MM, _MS = 1e3, 1e3


def plots_png(outcomes: Sequence[ReplayResult]) -> bytes:
    """All of them, side by side, for one recording."""
    figure = Figure(figsize=(13, 7), layout="constrained")
    grid = figure.subplots(2, 2)
    _ways(grid[0, 0], outcomes)
    _horizon(grid[0, 1], outcomes)
    _consistency(grid[1, 0], outcomes)
    _over_time(grid[1, 1], outcomes)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def _colour(number: int) -> tuple[float, ...]:
    return tuple(value / 255 for value in POLICIES[number % len(POLICIES)])


def _ways(axes: Axes, outcomes: Sequence[ReplayResult]) -> None:
    for k, outcome in enumerate(outcomes):
        for chunk in outcome.chunks:
            axes.plot(*chunk.positions.T, color=_colour(k), linewidth=0.7, alpha=0.7)
        axes.plot([], [], color=_colour(k), label=f"chunks: {outcome.title}")
        if not outcome.chunks:
            axes.plot(*outcome.commanded.points.T, color=_colour(k), linewidth=1)
    axes.plot(*outcomes[0].executed.points.T, color="black", label="executed")
    for stop in outcomes[0].stops:
        axes.plot(*outcomes[0].executed.at(np.array([stop.time_s]))[0], "rx")
    axes.set(title="predicted and executed", xlabel="x [m]", ylabel="y [m]", aspect="equal")
    axes.legend(fontsize="small")


def _horizon(axes: Axes, outcomes: Sequence[ReplayResult]) -> None:
    for k, outcome in enumerate(outcomes):
        for way, style, what in (
            (outcome.executed, "-", "executed"),
            (outcome.recorded_targets, ":", "recorded targets"),
        ):
            errors = _MM * outcome.errors(way)
            if np.isfinite(errors).any():
                label = f"{outcome.title}: from {what}"
                axes.plot(
                    np.arange(1, len(errors) + 1), errors, style, color=_colour(k), label=label
                )
    axes.set(title="error per step of the horizon", xlabel="step", ylabel="[mm]", ylim=(0, None))
    _legend(axes)


def _consistency(axes: Axes, outcomes: Sequence[ReplayResult]) -> None:
    for k, outcome in enumerate(outcomes):
        values = _MM * outcome.inconsistencies()
        if len(values):
            axes.plot(
                outcome.chunk_times_s[-len(values) :] - outcome.start_s,
                values,
                ".-",
                color=_colour(k),
                label=outcome.title,
            )
    axes.set(title="chunk against the one before", xlabel="time [s]", ylabel="[mm]", ylim=(0, None))
    _legend(axes)


def _over_time(axes: Axes, outcomes: Sequence[ReplayResult]) -> None:
    for k, outcome in enumerate(outcomes):
        values = _MM * outcome.deviations()
        times = outcome.commanded.times_s[: len(values)] - outcome.start_s
        axes.plot(times, values, color=_colour(k), linewidth=0.8, label=outcome.title)
        for stop in outcome.stops:
            axes.axvline(stop.time_s - outcome.start_s, color="red", linewidth=0.8)
    axes.set(
        title="commanded motion from the executed way; stops in red",
        xlabel="time [s]",
        ylabel="[mm]",
        ylim=(0, None),
    )
    _legend(axes)


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
