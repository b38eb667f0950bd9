"""A picture of episodes: a row each, with what a camera saw from the start to the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.messages import PIXELS
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import BAG_FILE

_COLUMNS = 6
_TILE_PX = (160, 120)
_LABEL_PX = 22
_COLOURS = {"accept": (40, 130, 40), "warn": (190, 120, 0), "reject": (180, 30, 30)}


def draw_contact_sheet(episodes: Sequence[Path], path: Path) -> None:
    """Write the picture; of each episode its first camera is shown."""
    rows = [_row(episode) for episode in episodes]
    if not rows:
        raise EpisodeError(f"there is no episode to show in {path}")
    if not cv2.imwrite(str(path), sheet(rows)[:, :, ::-1]):
        raise EpisodeError(f"{path} cannot be written: name a picture, such as sheet.png")


def _row(episode: Path) -> NDArray[np.uint8]:
    info = EpisodeInfo.load(episode)
    quality = info.quality.verdict if info.quality else "accept"
    text = f"{episode.name}  {info.verdict}  {quality if info.quality else ''}"
    return _labelled(text, _tiles(episode), _COLOURS[quality])


def sheet(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """(H, W, 3) of rows, one below the other."""
    return np.vstack(rows)


def sheet_row(text: str, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Some images (H, W, 3) of an episode, evenly in time, below a text."""
    wanted = np.linspace(0, len(images) - 1, _COLUMNS).round().astype(int)
    return _labelled(text, [_tile(images[k]) for k in wanted], _COLOURS["accept"])


def _labelled(
    text: str, tiles: Sequence[NDArray[np.uint8]], colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    label = np.full((_LABEL_PX, _COLUMNS * _TILE_PX[0], 3), colour, np.uint8)
    cv2.putText(
        label, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    return np.vstack([label, np.hstack(tiles)])


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.resize(image, _TILE_PX, interpolation=cv2.INTER_AREA)


def _tiles(episode: Path) -> list[NDArray[np.uint8]]:
    """Pictures evenly in time; grey where there are none."""
    grey = np.full((_TILE_PX[1], _TILE_PX[0], 3), 90, np.uint8)
    with BagReader(episode / BAG_FILE) as bag:
        topics = [t for t, kind in sorted(bag.types.items()) if kind in PIXELS and bag.counts[t]]
        if not topics:
            return [grey] * _COLUMNS
        count = bag.counts[topics[0]]
        wanted = np.linspace(0, count - 1, _COLUMNS).round().astype(int).tolist()
        seen = {
            number: _tile(bag.pixels(message))
            for number, message in enumerate(bag.messages(topics[:1]))
            if number in wanted
        }
    return [seen[number] for number in wanted]
