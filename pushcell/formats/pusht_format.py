"""The demonstrations of the Push-T benchmark, a zarr group, as their users have it.

Positions stay in pixels of its 512 board with y down: its physics knows no other unit. The goal is
always the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zarr

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration, check_ends
from pushcell.recording.steps import Steps

RATE_HZ = 10.0
GOAL = (256.0, 256.0, np.pi / 4)
CAMERA = "overhead"
_SHAPES = {"state": (5,), "action": (2,), "img": (None, None, 3)}


class PushTSet:
    """A `DataSet`; raises EpisodeError for a group that is not Push-T's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._group = zarr.open_group(str(path), mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise EpisodeError(f"{path} is not a zarr group ({error})") from None
        wanted = [f"data/{name}" for name in _SHAPES] + ["meta/episode_ends"]
        missing = [name for name in wanted if name not in self._group]
        if missing:
            raise EpisodeError(f"{path} lacks the arrays {', '.join(missing)}")
        self._arrays = {name: self._group[f"data/{name}"] for name in _SHAPES}
        for name, shape in _SHAPES.items():
            found = self._arrays[name].shape[1:]
            if len(found) != len(shape) or found[-1] != shape[-1]:
                raise EpisodeError(f"{path}: data/{name} has rows of shape {found}")
        self._ends = np.asarray(self._group["meta/episode_ends"][:]).astype(np.int64)
        check_ends(self._ends, self._arrays["state"].shape[0], str(path))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Demonstration]:
        start = 0
        for number, end in enumerate(self._ends.tolist()):
            name = f"episode_{number:06d}"
            try:
                yield Demonstration(name, self._steps(slice(start, end)))
            except EpisodeError as error:
                raise EpisodeError(f"{self._path}, {name}: {error}") from None
            start = end

    def _steps(self, rows: slice) -> Steps:
        state, action, images = (np.asarray(self._arrays[name][rows]) for name in _SHAPES)
        if not np.isfinite(images).all():
            raise EpisodeError("data/img has values that are not finite")
        pusher = np.column_stack([state[:, :2], np.zeros(len(state))]).astype(float)
        return Steps(
            RATE_HZ,
            pusher,
            state[:, 2:].astype(float),
            action.astype(float),
            np.array(GOAL),
            {CAMERA: np.clip(np.rint(images), 0, 255).astype(np.uint8)},
        )
