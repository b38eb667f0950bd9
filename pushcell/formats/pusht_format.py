"""The demonstrations of the Push-T benchmark, a zarr group, as their users have it.

Positions stay in pixels of its 512 board with y down: its physics knows no other unit. The goal is
always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration, check_ends
from pushcell.formats.zarr_arrays import check_complete, malformed_group, open_group, rows_of
from pushcell.geometry import PlanarPose, signed_distance_to_outline
from pushcell.recording.steps import Steps
from pushcell.task import PUSHT_OUTLINE

RATE_HZ = 10.0
GOAL = (256.0, 256.0, np.pi / 4)
CAMERA = "overhead"
BOARD = 512.0
PUSHER_RADIUS = 15.0
_REST_EVERY = 6  # steps
_REST_STEPS = 16
_REST_WITHIN = (0.5, 0.5, 0.009)  # x, y, theta of the goal: at least 97 % are covered
_SHAPES = {"state": (5,), "action": (2,), "img": (None, None, 3)}


class _Range(NamedTuple):
    """What values may be; where none is larger than ``too_small`` they are of another unit."""

    least: float
    most: float
    too_small: float


# Pushers and blocks leave the board by a little; angles are counted over whole turns.
PLACES = _Range(-BOARD / 4, 1.25 * BOARD, 2.0)
_ANGLES = _Range(-6 * np.pi, 6 * np.pi, -1.0)
BRIGHTNESS = _Range(0.0, 255.0, 1.0)


class PushTSet:
    """A `DataSet`, of its episodes or of what ``change`` makes of each of them.

    Raises EpisodeError for a group that is not Push-T's.
    """

    def __init__(self, path: Path, change: Callable[[Steps], Steps] = lambda steps: steps) -> None:
        self._path, self._change = path, change
        with malformed_group(path):
            self._open(path)

    def _open(self, path: Path) -> None:
        self._group = open_group(path)
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
        check_complete({f"data/{name}": array for name, array in self._arrays.items()}, path)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Demonstration]:
        start = 0
        for number, end in enumerate(self._ends.tolist()):
            name = f"episode_{number:06d}"
            try:
                yield Demonstration(name, self._change(self._steps(slice(start, end))))
            except EpisodeError as error:
                raise EpisodeError(f"{self._path}, {name}: {error}") from None
            start = end

    def _steps(self, rows: slice) -> Steps:
        state, action, images = (
            rows_of(self._arrays[name], f"data/{name}", self._path, rows) for name in _SHAPES
        )
        if not np.isfinite(images).all():
            raise EpisodeError("data/img has values that are not finite")
        places = np.concatenate([state[:, :2], state[:, 2:4], action])
        _require_range("data/state and data/action", places, PLACES, f"of a {BOARD:g} px board")
        _require_range("the angles in data/state", state[:, 4:], _ANGLES, "in radians")
        _require_range("data/img", images, BRIGHTNESS, "of 0 to 255")
        pusher = np.column_stack([state[:, :2], np.zeros(len(state))]).astype(float)
        return Steps(
            RATE_HZ,
            pusher,
            state[:, 2:].astype(float),
            action.astype(float),
            np.array(GOAL),
            {CAMERA: np.clip(np.rint(images), 0, 255).astype(np.uint8)},
        )


def _require_range(name: str, values: NDArray[Any], allowed: _Range, unit: str) -> None:
    """Raise EpisodeError for values that cannot be in the unit that they are taken for."""
    least, most = float(np.min(values)), float(np.max(values))
    if least < allowed.least or most > allowed.most or max(-least, most) <= allowed.too_small:
        raise EpisodeError(
            f"{name}: values of {least:.3g} to {most:.3g} are not {unit}: convert them"
        )


def mirrored(steps: Steps) -> Steps:
    """What would have been seen and done in the mirror that stands along the goal's stem.

    The board, the T and the goal are symmetric in it, so what follows of what stays the same.
    """
    return replace(
        steps,
        pusher=np.column_stack([_reflected(steps.pusher[:, :2]), steps.pusher[:, 2]]),
        slider=np.column_stack([_reflected(steps.slider[:, :2]), np.pi / 2 - steps.slider[:, 2]]),
        action=_reflected(steps.action),
        images={name: seen[:, ::-1, ::-1].swapaxes(1, 2) for name, seen in steps.images.items()},
    )


def finished(steps: Steps) -> Steps:
    """The same moved and turned a little, so that the T ends exactly at the goal; without images.

    People stopped as soon as 95 % was covered: who learns of them as they are aims at that edge.
    """
    end, turn = steps.slider[-1], GOAL[2] - steps.slider[-1, 2]
    cos, sin = np.cos(turn), np.sin(turn)

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return (points - end[:2]) @ np.array([[cos, sin], [-sin, cos]]) + GOAL[:2]

    return replace(
        steps,
        pusher=np.column_stack([moved(steps.pusher[:, :2]), steps.pusher[:, 2]]),
        slider=np.column_stack([moved(steps.slider[:, :2]), steps.slider[:, 2] + turn]),
        action=moved(steps.action),
        images={},
    )


def waiting(steps: Steps, duration_s: float) -> Steps:
    """The same with that much at the end in which nothing moves; without images.

    The demonstrations end with success, so what to do then is in none of them.
    """
    count = round(duration_s * steps.rate_hz)

    def prolonged(rows: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([rows, np.tile(last, (count, 1))])

    return replace(
        steps,
        pusher=prolonged(steps.pusher, steps.pusher[-1]),
        slider=prolonged(steps.slider, steps.slider[-1]),
        action=prolonged(steps.action, steps.pusher[-1, :2]),
        images={},
    )


def resting(steps: Steps, seed: int) -> Iterator[Steps]:
    """Moments of it with the T as good as at the goal, in which the pusher stays where it is.

    What a policy must do there is in no demonstration either. Moments in which the pusher would be
    inside the T are left out. Without images.
    """
    rng = np.random.default_rng(seed)
    for moment in range(0, len(steps), _REST_EVERY):
        slider = np.array(GOAL) + rng.uniform(-1, 1, 3) * _REST_WITHIN
        pusher = steps.pusher[moment]
        seen = PlanarPose.from_array(slider).inverse().transform(pusher[:2])
        if signed_distance_to_outline(seen, PUSHT_OUTLINE) < PUSHER_RADIUS:
            continue
        still, place, told = (
            np.tile(row, (_REST_STEPS, 1)) for row in (pusher, slider, pusher[:2])
        )
        yield Steps(steps.rate_hz, still, place, told, np.array(GOAL))


def _reflected(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return BOARD - points[:, ::-1]
