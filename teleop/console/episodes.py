"""The recorded episodes as the page lists them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.bags.bag_reader import BagReader
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.store import BAG_FILE, find_episodes
from pushcell.recording.streams import COMPRESSED, IMAGE_TOPIC

_THUMBNAIL_PX = (160, 120)


def list_episodes(folder: Path, newest: int) -> list[dict[str, Any]]:
    """The last episodes by name, newest first; one that cannot be read says so."""
    return [_row(path) for path in reversed(find_episodes(folder)[-newest:])]


def thumbnail(folder: Path, name: str, camera: str) -> bytes | None:
    """JPEG of an episode's first picture; None where there is no such episode or picture."""
    paths = {path.name: path for path in find_episodes(folder)}
    return _thumbnail(paths[name], camera) if name in paths else None


def _row(path: Path) -> dict[str, Any]:
    try:
        info = _info(path, (path / INFO_FILE).stat().st_mtime_ns)
    except (EpisodeError, OSError) as error:
        return {"name": path.name, "verdict": "unreadable", "reason": str(error)}
    row = {
        "name": path.name,
        "verdict": info.verdict,
        "reason": info.reason,
        "seconds": round(info.steps / info.rate_hz, 1),
        "drivers": sorted({span.source for span in info.driven}),
    }
    if info.quality is not None:
        row["quality"] = info.quality.verdict
        row["reason"] = "; ".join((info.reason, *info.quality.reasons))
    return row


@functools.lru_cache(maxsize=512)
def _info(path: Path, changed_ns: int) -> EpisodeInfo:
    return EpisodeInfo.load(path)


@functools.lru_cache(maxsize=256)
def _thumbnail(path: Path, camera: str) -> bytes | None:
    plain = IMAGE_TOPIC.format(camera)
    try:
        with BagReader(path / BAG_FILE) as bag:
            first = next(iter(bag.messages([plain, plain + COMPRESSED])), None)
            return None if first is None else _jpeg(bag.pixels(first))
    except EpisodeError:
        return None


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    small = cv2.resize(image, _THUMBNAIL_PX, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return jpeg.tobytes()
