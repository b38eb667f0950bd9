"""A data set as arrays, one row a step: poses in memory, images mapped from the disk.

A data set of any format is read once, episode by episode, into a folder of plain arrays; later
runs map those.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import DataSet, Demonstration
from pushcell.formats.open_data_set import open_data_set
from pushcell.recording.steps import Steps
from pushcell.training.config import DataConfig, DataSetConfig, VisionConfig

_WIDTHS = {"pusher": 3, "slider": 3, "goal": 3, "action": 2}
_LAYOUT = 1  # changes with what the folders hold
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ArrayDataSet:
    """All steps of some episodes, one after the other."""

    name: str
    pusher: Floats  # (N, 3)
    slider: Floats  # (N, 3)
    goal: Floats  # (N, 3)
    action: Floats  # (N, 2)
    ends: NDArray[np.int64]  # (E,) one past the last step of each episode
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)  # (N, H, W, 3) a camera

    def __len__(self) -> int:
        return len(self.pusher)

    @property
    def starts(self) -> NDArray[np.int64]:
        """(E,) the first step of each episode."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    def with_slider(self, slider: Floats) -> ArrayDataSet:
        """The same with other poses (N, 3) of the slider."""
        return replace(self, slider=slider)


def load_data_sets(data: DataConfig, vision: VisionConfig | None) -> list[ArrayDataSet]:
    """The data sets of a configuration, read or found in the cache.

    Raises EpisodeError that names data set, episode and key.
    """
    return [load_data_set(item, data.rate_hz, data.cache, vision) for item in data.sets]


def load_data_set(
    config: DataSetConfig, rate_hz: float, cache: Path, vision: VisionConfig | None
) -> ArrayDataSet:
    """One data set; what it holds of images is mapped, the rest is in memory."""
    cameras = vision.cameras if vision else ()
    image_px = vision.image_px if vision else (128, 128)
    if not config.path.exists():
        raise EpisodeError(f"data set {config.name!r}: {config.path} is not there")
    key = [_LAYOUT, _fingerprint(config.path), cameras, image_px if vision else None]
    key += [config.episodes, rate_hz, config.slider]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    folder = cache / f"{config.name}-{digest}"
    if not (folder / "table.json").exists():
        source = open_data_set(config.path, image_px, config.slider == "labels")
        with _partial_folder(folder) as partial:
            _fill(partial, source, config, rate_hz, cameras, image_px)
    return _open(folder, config.name)


def _fingerprint(path: Path) -> list[Any]:
    """Changes when the data set does."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if not any(".partial" in part for part in file.parts)]
    stats = [(str(file), file.stat()) for file in files]
    return [str(path.resolve()), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]]


@contextmanager
def _partial_folder(folder: Path) -> Iterator[Path]:
    """A folder that gets its name when it is complete, and else is gone."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(folder)
    except OSError as error:
        if folder.exists():  # another process was quicker
            return
        raise EpisodeError(
            f"data.cache {folder.parent} cannot be written: {error}; make room, or name another"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(
    partial: Path,
    source: DataSet,
    config: DataSetConfig,
    rate_hz: float,
    cameras: Sequence[str],
    image_px: tuple[int, int],
) -> None:
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in _WIDTHS}
    ends: list[int] = []
    files = {camera: (partial / f"{camera}.u8").open("wb") for camera in cameras}
    try:
        where = f"data set {config.name!r} ({config.path})"
        for demonstration in _first(source, config.episodes, where):
            steps = demonstration.steps
            _check(steps, f"{where}, {demonstration.name}", rate_hz, cameras, image_px)
            values = {**vars(steps), "goal": np.broadcast_to(steps.goal, (len(steps), 3))}
            for name in _WIDTHS:
                rows[name].append(values[name])
            for camera, file in files.items():
                file.write(np.ascontiguousarray(steps.images[camera]).data)
            ends.append(len(steps) + (ends[-1] if ends else 0))
    finally:
        for file in files.values():
            file.close()
    if not ends:
        raise EpisodeError(f"{where} has no episodes")
    for name in _WIDTHS:
        np.save(partial / f"{name}.npy", np.concatenate(rows[name]).astype(np.float32))
    np.save(partial / "ends.npy", np.array(ends))
    width, height = image_px
    shapes = {camera: [ends[-1], height, width, 3] for camera in cameras}
    (partial / "table.json").write_text(json.dumps({"images": shapes}))


def _first(source: DataSet, most: int | None, where: str) -> Iterator[Demonstration]:
    episodes = iter(source)
    for number in range(len(source) if most is None else min(most, len(source))):
        try:
            yield next(episodes)
        except EpisodeError as error:
            raise EpisodeError(f"{where}, episode {number}: {error}") from None


def _check(
    steps: Steps, where: str, rate_hz: float, cameras: Sequence[str], image_px: tuple[int, int]
) -> None:
    if steps.rate_hz != rate_hz:
        raise EpisodeError(f"{where} has steps at {steps.rate_hz} Hz, data.rate_hz is {rate_hz}")
    for camera in cameras:
        if camera not in steps.images:
            there = ", ".join(steps.images) or "none"
            raise EpisodeError(f"{where} lacks the images of camera {camera!r}; it has {there}")
        height, width = steps.images[camera].shape[1:3]
        if (width, height) != image_px:
            raise EpisodeError(
                f"{where}: images of camera {camera!r} are {width}x{height}, image_px is "
                f"{image_px[0]}x{image_px[1]}"
            )


def _open(folder: Path, name: str) -> ArrayDataSet:
    notes = json.loads((folder / "table.json").read_text())
    images: dict[str, NDArray[np.uint8]] = {
        camera: np.memmap(folder / f"{camera}.u8", np.uint8, "r", shape=tuple(shape))
        for camera, shape in notes["images"].items()
    }
    values = {key: np.load(folder / f"{key}.npy") for key in _WIDTHS}
    return ArrayDataSet(name=name, ends=np.load(folder / "ends.npy"), images=images, **values)
