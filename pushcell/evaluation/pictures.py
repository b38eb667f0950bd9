"""Pictures of trials: where each began, coloured by how it ended; and how failed ones went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure

from pushcell.command_output import write_picture
from pushcell.geometry import Array, PlanarPose

_SHEET = 30
_SUCCESS, _FAILURE = "tab:green", "tab:red"


@dataclass(frozen=True)
class Ground:
    """What all trials of a world have in common, in its own unit of length."""

    title: str
    outline: Array  # (K, 2) of the slider, in its frame
    stem: Array  # (2,) from the slider's origin towards its end, drawn as a hand of where it points
    goal: PlanarPose
    border: Array  # (M, 2) corners of where the pusher may be
    unit: str
    down: bool = False  # whether y points down

    def at(self, pose: PlanarPose) -> Array:
        """(K, 2) the slider's outline at a pose."""
        return pose.transform(self.outline)


class Drawn(Protocol):
    """A trial."""

    @property
    def seed(self) -> int:
        """Of its start."""

    @property
    def success(self) -> bool:
        """How it ended."""

    @property
    def reason(self) -> str:
        """Why it ended so."""

    @property
    def way(self) -> tuple[tuple[float, ...], ...]:
        """Some of its states, the first among them: slider x y theta, pusher x y."""


def draw_starts(ground: Ground, trials: Sequence[Drawn], picture: Path) -> None:
    """Where the slider of each trial began, and pointed, coloured by how it ended."""
    figure = Figure(figsize=(7, 8), layout="constrained")
    axes = figure.subplots()
    count = Counter(trial.success for trial in trials)
    for trial in sorted(trials, key=lambda trial: not trial.success):
        start = PlanarPose.from_array(trial.way[0][:3])
        axes.plot(
            *start.transform([np.zeros(2), ground.stem]).T,
            color=_SUCCESS if trial.success else _FAILURE,
            marker="o",
            markevery=[0],
            alpha=0.5 if trial.success else 1.0,
        )
    for outline, style in (
        (ground.border, {"color": "grey", "label": "workspace"}),
        (ground.at(ground.goal), {"color": "black", "label": "goal"}),
    ):
        axes.plot(*_closed(outline).T, **style)
    axes.plot([], [], color=_SUCCESS, marker="o", label=f"success ({count[True]})")
    axes.plot([], [], color=_FAILURE, marker="o", label=f"failure ({count[False]})")
    unit = ground.unit
    axes.set(title=f"starts: {ground.title}", xlabel=f"x [{unit}]", ylabel=f"y [{unit}]")
    _lay_out(axes, ground)
    axes.legend(loc="upper right", fontsize="small")
    _save(figure, picture)


def draw_failures(ground: Ground, trials: Sequence[Drawn], picture: Path) -> None:
    """A contact sheet: the way that slider and pusher took in each failed trial."""
    failed = sorted((t for t in trials if not t.success), key=lambda t: t.seed)[:_SHEET]
    columns = min(6, max(1, len(failed)))
    rows = max(1, -(-len(failed) // columns))
    figure = Figure(figsize=(2.6 * columns, 3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, trial in zip(grid, failed, strict=False):
        poses = [PlanarPose.from_array(state[:3]) for state in trial.way]
        for k, pose in enumerate(poses):
            _draw_slider(axes, ground, pose, color=_FAILURE, alpha=(k + 1) / len(poses))
        _draw_slider(axes, ground, ground.goal, color="black")
        axes.plot(*np.array(trial.way)[:, 3:].T, color="tab:blue", linewidth=0.8)
        _lay_out(axes, ground)
        axes.set_title(f"seed {trial.seed}: {trial.reason}", fontsize=6, wrap=True)
    _save(figure, picture)


def _draw_slider(axes: Any, ground: Ground, pose: PlanarPose, **style: Any) -> None:
    axes.plot(*_closed(ground.at(pose)).T, linewidth=0.8, **style)


def _closed(outline: Array) -> Array:
    return np.vstack([outline, outline[:1]])


def _lay_out(axes: Any, ground: Ground) -> None:
    axes.set(aspect="equal")
    if ground.down:
        axes.invert_yaxis()


def _save(figure: Figure, picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_picture(figure, picture)
