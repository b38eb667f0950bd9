"""The policy's chunks along an episode, and the nearest demonstrated ones, as little paths.

One column is one window: the pusher's path beside the slider's outline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from pushcell.analysis.analysed_sets import AnalysedSet
from pushcell.analysis.features import FeatureReader
from pushcell.analysis.nearest_chunks import nearest_chunks
from pushcell.config.cell import load_cell
from pushcell.geometry import Array, PlanarPose
from pushcell.task import PUSHT_OUTLINE, slider_of
from pushcell.training.config import TrainConfig
from pushcell.training.windows import Indices, Windows


@dataclass(frozen=True)
class DrawnTask:
    """What is drawn of a task: the slider's outline (K, 2), in its frame and the data's units."""

    outline: Array
    unit: str  # of lengths, as people are told them
    scale: float  # of the data's lengths, to that unit
    y_down: bool

    @classmethod
    def of(cls, config: TrainConfig) -> DrawnTask:
        """Of a training; raises ConfigError for a cell that cannot be read."""
        if config.task == "pusht":
            return cls(PUSHT_OUTLINE, "px", 1.0, y_down=True)
        return cls(slider_of(load_cell(config.cell).task).outline, "mm", 1e3, y_down=False)


@dataclass(frozen=True)
class FilmFrame:
    """One picture of a film strip: the slider, and the pusher's way.

    ``slider`` is (3,), ``path`` (H, 2), in the data's units; ``distance`` is the mean one to the
    policy's path, None for that itself.
    """

    slider: NDArray[np.float32]
    path: NDArray[np.float32]
    distance: float | None = None


def film_strip(
    reader: FeatureReader, target: AnalysedSet, sources: Sequence[AnalysedSet], count: int
) -> dict[str, list[FilmFrame]]:
    """Rows of frames by title: the policy's chunks along an episode, and the nearest ones."""
    items = along_an_episode(target.held_out, count)
    chunks = reader.chunks(target.held_out, items)
    own = reader.paths(target.held_out, items, chunks)
    rows = {
        "policy": [_frame(target.held_out, k, path) for k, path in zip(items, own, strict=True)]
    }
    for title, sets in (("nearest in target", [target]), ("nearest in source", sources)):
        found = nearest_chunks(chunks, sets, reader)
        rows[title] = [
            _neighbour(reader, sets[found.which[k]].searched, found.window[k], chunk)
            for k, chunk in enumerate(chunks)
        ]
    return rows


def along_an_episode(windows: Windows, count: int) -> Indices:
    """Up to so many windows, evenly along the longest of the episodes."""
    starts, sizes = np.unique(windows.first, return_counts=True)
    (episode,) = np.nonzero(windows.first == starts[sizes.argmax()])
    return episode[np.unique(np.linspace(0, len(episode) - 1, count).round().astype(int))]


def _frame(
    windows: Windows, item: int, path: NDArray[np.float32], distance: float | None = None
) -> FilmFrame:
    return FilmFrame(windows.data_set.slider[windows.indices[item]], path, distance)


def _neighbour(reader: FeatureReader, windows: Windows, item: int, chunk: Tensor) -> FilmFrame:
    items = np.array([item])
    demonstrated = reader.demonstrated(windows, items)
    restore = reader.policy.actions.restore
    distance = float((restore(demonstrated[0]) - restore(chunk)).norm(dim=-1).mean())
    (path,) = reader.paths(windows, items, demonstrated)
    return _frame(windows, item, path, distance)


def draw_film_strip(rows: Mapping[str, Sequence[FilmFrame]], task: DrawnTask) -> Figure:
    """One row of frames for each title."""
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(1.9 * columns, 2.1 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for panels, (title, frames) in zip(grid, rows.items(), strict=True):
        panels[0].set_ylabel(title, fontsize=8)
        for axes, frame in zip(panels, frames, strict=True):
            _draw_frame(axes, frame, task)
    return figure


def _draw_frame(axes: Axes, frame: FilmFrame, task: DrawnTask) -> None:
    placed = PlanarPose.from_array(frame.slider).transform(task.outline)
    axes.fill(*placed.T, facecolor="0.85", edgecolor="grey", linewidth=0.8)
    axes.plot(*frame.path.T, color="tab:blue", marker=".", markersize=2, linewidth=1)
    axes.plot(*frame.path[0], color="tab:blue", marker="o", markersize=4)
    around = np.vstack([placed, frame.path])
    middle, half = (around.min(0) + around.max(0)) / 2, 0.55 * np.ptp(around, axis=0).max()
    (left, bottom), (right, top) = middle - half, middle + half
    axes.set(xlim=(left, right), ylim=(top, bottom) if task.y_down else (bottom, top))
    axes.set(aspect="equal", xticks=[], yticks=[])
    if frame.distance is not None:
        axes.set_title(f"{frame.distance * task.scale:.1f} {task.unit}", fontsize=8)
