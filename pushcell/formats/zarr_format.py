"""The layout of the published planar pushing data sets: a zarr group, version 2 on the disk.

``data/state`` (T, 3) of the pusher, ``data/slider_state`` (T, 3), ``data/action`` (T, 2),
``data/target`` (T, 3) the goal, ``data/<camera>_camera`` (T, H, W, 3) and ``meta/episode_ends``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Zstd
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration, check_ends, require_units
from pushcell.formats.zarr_arrays import check_complete, malformed_group, open_group, rows_of
from pushcell.recording.steps import Steps

RATE_HZ = 10.0
_WIDTHS = {"state": 3, "slider_state": 3, "action": 2, "target": 3}
_OF_SLIDER = ("slider_state", "target")
_CAMERA = "_camera"
_PUBLISHED_CAMERAS = ("overhead", "wrist")
_ROWS_A_CHUNK = 1024
_IMAGES_A_CHUNK = 128
# Version 3 of the library writes the older layout when asked; version 2 knows no other.
_ON_DISK = {"zarr_format": 2} if int(zarr.__version__.split(".")[0]) >= 3 else {}


class ZarrSet:
    """A `DataSet`; raises EpisodeError for arrays that are missing or do not fit together.

    A set without the slider is opened only where ``slider_needed`` is not.
    """

    def __init__(self, path: Path, slider_needed: bool = True) -> None:
        self._path = path
        with malformed_group(path):
            self._open(path, slider_needed)

    def _open(self, path: Path, slider_needed: bool) -> None:
        self._group = open_group(path)
        # Sets without one camera or the other say so; the published ones have both.
        cameras = self._group.attrs.get("cameras", _PUBLISHED_CAMERAS)
        self._images = {name: f"data/{name}{_CAMERA}" for name in cameras}
        there = all(f"data/{name}" in self._group for name in _OF_SLIDER)
        self._has_slider = slider_needed or there
        self._vectors = [name for name in _WIDTHS if self._has_slider or name not in _OF_SLIDER]
        names = [*(f"data/{name}" for name in self._vectors), *self._images.values()]
        missing = [name for name in (*names, "meta/episode_ends") if name not in self._group]
        if missing:
            pusht = "data/img" in self._group and "data/state" in self._group
            advice = ": it is a Push-T set, which `pushcell import pusht` reads" if pusht else ""
            raise EpisodeError(f"{path} lacks the arrays {', '.join(missing)}{advice}")
        self._arrays = {name: self._group[name] for name in names}
        ends = self._group["meta/episode_ends"]
        self._ends = np.asarray(ends[:] if ends.size else []).astype(np.int64)
        rows = {name: array.shape[0] for name, array in self._arrays.items()}
        if len(set(rows.values())) > 1:
            counts = ", ".join(f"{name} {count}" for name, count in rows.items())
            raise EpisodeError(f"{path}: the arrays differ in their number of steps: {counts}")
        check_ends(self._ends, rows["data/state"], str(path))
        # A goal of zeros is one; its chunks need not be kept.
        check_complete({k: v for k, v in self._arrays.items() if k != "data/target"}, path)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Demonstration]:
        with malformed_group(self._path):
            yield from self._episodes()

    def _episodes(self) -> Iterator[Demonstration]:
        start = 0
        # Poses at once, images bit by bit: of short episodes many share a chunk.
        unknown = np.full((int(self._ends[-1]) if len(self._ends) else 0, 3), np.nan)
        poses = [self._values(name) if name in self._vectors else unknown for name in _WIDTHS]
        for number, end in enumerate(self._ends.tolist()):
            rows = slice(start, end)
            steps = self._steps(number, rows, [values[rows] for values in poses])
            yield Demonstration(f"episode_{number:06d}", steps)
            start = end

    def _values(self, name: str) -> NDArray[np.float64]:
        key = f"data/{name}"
        return rows_of(self._arrays[key], key, self._path).astype(np.float64)

    def _steps(self, number: int, rows: slice, poses: list[NDArray[np.float64]]) -> Steps:
        state, slider_state, action, target = poses
        if self._has_slider and (target != target[0]).any():
            raise EpisodeError(f"{self._path}: the goal changes within episode {number}")
        images = {
            name: rows_of(self._arrays[array], array, self._path, rows)
            for name, array in self._images.items()
        }
        where = f"{self._path}, episode {number}"
        try:
            steps = Steps(RATE_HZ, state, slider_state, action, target[0], images, self._has_slider)
        except EpisodeError as error:
            raise EpisodeError(f"{where}: {error}") from None
        require_units(steps, where)
        return steps


def write_zarr(demonstrations: Iterable[Demonstration], path: Path) -> None:
    """Write a new group; raises EpisodeError for cameras or rates that differ."""
    writer: _ZarrWriter | None = None
    for demonstration in demonstrations:
        writer = writer or _ZarrWriter(path, demonstration.steps)
        writer.add(demonstration)
    if writer:
        writer.close()


class _ZarrWriter:
    def __init__(self, path: Path, first: Steps) -> None:
        self._shapes = {name: images.shape[1:] for name, images in first.images.items()}
        group = zarr.open_group(str(path), mode="w", **_ON_DISK)
        group.attrs["cameras"] = list(self._shapes)
        for name in ("data", "meta"):
            group.create_group(name)
        self._columns = {
            name: _Column(path, f"data/{name}", (width,), "<f8", _ROWS_A_CHUNK)
            for name, width in _WIDTHS.items()
        }
        self._columns |= {
            name + _CAMERA: _Column(path, f"data/{name}{_CAMERA}", shape, "|u1", _IMAGES_A_CHUNK)
            for name, shape in self._shapes.items()
        }
        self._ends = _Column(path, "meta/episode_ends", (), "<i8", _ROWS_A_CHUNK)
        self._count = 0

    def add(self, demonstration: Demonstration) -> None:
        """Append the steps of an episode to the arrays."""
        steps = demonstration.steps
        shapes = {name: images.shape[1:] for name, images in steps.images.items()}
        if shapes != self._shapes or steps.rate_hz != RATE_HZ:
            raise EpisodeError(
                f"episode {demonstration.name} has cameras {shapes} at {steps.rate_hz} Hz where "
                f"this set has {self._shapes} at {RATE_HZ} Hz: convert them apart"
            )
        goals = np.repeat(steps.goal[None], len(steps), axis=0)
        vectors = (steps.pusher, steps.slider, steps.action, goals)
        for name, rows in zip(_WIDTHS, vectors, strict=True):
            self._columns[name].append(rows)
        for name, images in steps.images.items():
            self._columns[name + _CAMERA].append(images)
        self._count += len(steps)
        self._ends.append(np.array([self._count]))

    def close(self) -> None:
        """Write what is not written yet."""
        for column in (*self._columns.values(), self._ends):
            column.close()


class _Column:
    """An array that grows by whole chunks, so that each is compressed once."""

    def __init__(
        self, path: Path, name: str, row: tuple[int, ...], dtype: str, rows_a_chunk: int
    ) -> None:
        self._array: Any = zarr.open_array(
            str(path / name),
            mode="w",
            shape=(0, *row),
            chunks=(rows_a_chunk, *row),
            dtype=dtype,
            compressor=Zstd(3),  # over whole chunks: most of an image is like the one before it
            **_ON_DISK,
        )
        self._rows_a_chunk = rows_a_chunk
        self._pending: NDArray[Any] = np.empty((0, *row), dtype)

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows; those of a chunk that is not full yet stay in memory."""
        self._pending = np.concatenate([self._pending, rows.astype(self._pending.dtype)])
        full = len(self._pending) - len(self._pending) % self._rows_a_chunk
        self._write(full)

    def close(self) -> None:
        """Write the last, incomplete chunk of the array."""
        self._write(len(self._pending))

    def _write(self, count: int) -> None:
        if count:
            length = self._array.shape[0]
            self._array.resize((length + count, *self._array.shape[1:]))
            self._array[length:] = self._pending[:count]
            self._pending = self._pending[count:]
