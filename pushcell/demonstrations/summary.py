"""One picture of a generated set: where it starts, how it goes, how long it takes, how it looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pushcell.command_output import write_picture
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_steps
from pushcell.recording.steps import Steps
from pushcell.recording.store import EpisodeStore
from pushcell.task import slider_of

_MOST_DRAWN = 60  # more paths only cover each other, and each has to be read
_MOST_SEEN = 8


def draw_summary(cell: CellConfig, store: EpisodeStore, picture: Path) -> None:
    """Draw the complete episodes of a folder; nothing where there are none."""
    episodes = store.episodes()
    if not episodes:
        return
    entries = {e["episode"]: e for e in store.journal.entries() if "start" in e}
    drawn = [episodes[i] for i in _spread(len(episodes), _MOST_DRAWN)]
    infos = [EpisodeInfo.load(path) for path in drawn]
    steps = [read_steps(path, info) for path, info in zip(drawn, infos, strict=True)]

    figure = Figure(figsize=(15, 8 if steps[0].images else 5), layout="constrained")
    rows = figure.subfigures(2, 1, height_ratios=(3, 2)) if steps[0].images else [figure]
    starts, paths, durations = rows[0].subplots(1, 3)
    _draw_starts(starts, cell, infos[0], np.array([e["start"] for e in entries.values()]))
    _draw_paths(paths, steps)
    _draw_durations(durations, np.array([e["duration_s"] for e in entries.values()]))
    if steps[0].images:
        _draw_images(rows[1].subplots(), [steps[i] for i in _spread(len(steps), _MOST_SEEN)])
    write_picture(figure, picture)


def _draw_starts(axes: Axes, cell: CellConfig, info: EpisodeInfo, starts: Array) -> None:
    shape = slider_of(info.task)
    for outline, style in (
        (cell.workspace.polygon.vertices, {"color": "grey", "label": "workspace"}),
        (shape.outline_at(info.task.goal_pose), {"color": "green", "label": "goal"}),
    ):
        axes.plot(*np.vstack([outline, outline[:1]]).T, **style)
    length = 0.4 * shape.radius_m
    x, y, theta = starts.T
    # The arrow lies along the slider's y axis, which a T's stem points against.
    axes.quiver(
        x,
        y,
        -length * np.sin(theta),
        length * np.cos(theta),
        theta,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.006,
        cmap="hsv",
    )
    axes.plot(*info.task.pusher_home_m, "o", color="tab:orange", label="pusher's home")
    axes.set(title=f"{len(starts)} starts", xlabel="x [m]", ylabel="y [m]", aspect="equal")
    axes.legend(loc="lower left", fontsize="small")


def _draw_paths(axes: Axes, steps: list[Steps]) -> None:
    for one in steps:
        axes.plot(*one.pusher[:, :2].T, color="tab:orange", alpha=0.25, linewidth=0.7)
        axes.plot(*one.slider[:, :2].T, color="black", alpha=0.5, linewidth=0.9)
    axes.plot([], [], color="tab:orange", label="pusher")
    axes.plot([], [], color="black", label="slider")
    axes.set(title=f"paths of {len(steps)}", xlabel="x [m]", ylabel="y [m]", aspect="equal")
    axes.legend(loc="lower left", fontsize="small")


def _draw_durations(axes: Axes, durations_s: Array) -> None:
    axes.hist(durations_s, bins=30, color="tab:blue")
    axes.axvline(float(np.median(durations_s)), color="black", linestyle="--")
    title = f"durations, median {np.median(durations_s):.1f} s"
    axes.set(title=title, xlabel="duration [s]", ylabel="episodes")


def _draw_images(axes: Axes, steps: list[Steps]) -> None:
    """One column an episode: each camera halfway through it."""
    columns = [
        np.vstack([images[len(one) // 2] for images in one.images.values()]) for one in steps
    ]
    axes.imshow(np.hstack(columns))
    axes.set(title=f"{' above '.join(steps[0].images)}, halfway through", xticks=[], yticks=[])


def _spread(count: int, most: int) -> list[int]:
    """Up to so many indices, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
