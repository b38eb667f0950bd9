"""Opens what was recorded, ours or others', and says what is in it and what is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from pushcell.bags.decoder import Decoder
from pushcell.closing import Closing
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.replay.clocks import TopicClock
from pushcell.replay.open_recording import open_bag
from pushcell.replay.topic_map import TopicMap, load_mapping, own_mapping

_SAME_M = 1e-6


class Recording(Closing):
    """An episode or a bag, open; a context manager. Raises EpisodeError where it is refused."""

    def __init__(self, path: Path, cell: CellConfig, mapping: Path | None = None) -> None:
        self.path, self.name, self.cell = path, path.name, cell
        self.info: EpisodeInfo | None = None
        if (path / INFO_FILE).exists():
            self.info = EpisodeInfo.load(path)
            _check_cell(self.info, cell, path)
        self.bag = open_bag(path)
        if self.bag.foreign and not self.bag.topics:
            self.bag.close()
            raise EpisodeError(f"{path} is {_foreign(self.bag.foreign)}")
        there = {name for name in self.bag.topics if name}
        self.map: TopicMap = own_mapping(cell, there) if mapping is None else load_mapping(mapping)
        self.decoder = Decoder(self.bag.topics)
        self.clocks: dict[str, TopicClock | None] = {}  # None: there are too few messages

    def close(self) -> None:
        """Give its file free."""
        self.bag.close()

    @property
    def duration_s(self) -> float:
        """From the first message to the last, by the times of their recording."""
        return (self.bag.end_ns - self.bag.start_ns) * 1e-9

    @property
    def missing(self) -> dict[str, str]:
        """What the mapping names and the bag does not have, or cannot give, and why."""
        found = {}
        for what, topic in self.map.named.items():
            if topic in self.bag.foreign:
                found[what] = f"{topic} is {self.bag.foreign[topic]}"
            elif topic not in self.bag.topics:
                found[what] = f"no topic {topic}"
            elif not self.decoder.knows(topic):
                kind = self.decoder.type_of(topic)
                why = self.decoder.unreadable.get(kind, "the bag has no definition of it")
                found[what] = f"{topic} is of the unknown type {kind}: {why}"
        return found

    @property
    def left_out(self) -> Counter[str]:
        """Of the file itself."""
        return self.bag.left_out

    def require(self, needed: Iterable[str]) -> None:
        """Raise EpisodeError, listing what is there, unless all of this can be read."""
        missing = self.missing
        lacking = [
            f"{what} ({missing.get(what, 'not in the mapping')})"
            for what in needed
            if what in missing or what not in self.map.named
        ]
        if lacking:
            raise EpisodeError(
                f"{self.path} lacks {', '.join(lacking)}; it has "
                f"{', '.join(sorted(self.bag.topics))}: name what stands for it in a file for "
                "--mapping"
            )

    def camera(self, name: str) -> CameraConfig | None:
        """The camera as it was, where the episode tells; else as the cell has it now."""
        of_episode = self.info.cameras if self.info is not None else ()
        for camera in (*of_episode, *self.cell.cameras):
            if camera.name == name:
                return camera
        return None


def _foreign(topics: Mapping[str, str]) -> str:
    """What a bag without one topic of ROS 2 is."""
    return "; ".join(sorted(set(topics.values())))


def _check_cell(info: EpisodeInfo, cell: CellConfig, path: Path) -> None:
    """Raise EpisodeError, naming both values, for an episode of another cell."""
    for key in ("slider", "centre_of_mass_m", "goal", "pusher_home_m"):
        theirs, ours = getattr(info.task, key), getattr(cell.task, key)
        if theirs != ours:
            _refuse(path, f"task.{key}", theirs, ours)
    if info.origin != "recorded":
        return  # cameras of simulated demonstrations are never quite where the cell's are
    ours_by_name = {camera.name: camera for camera in cell.cameras}
    for camera in info.cameras:
        if camera.name not in ours_by_name:
            _refuse(path, "camera", camera.name, ", ".join(ours_by_name))
        for key in (
            "width_px",
            "height_px",
            "xyz_m",
            "rpy_rad",
            "fx_px",
            "fy_px",
            "cx_px",
            "cy_px",
        ):
            theirs, ours = getattr(camera, key), getattr(ours_by_name[camera.name], key)
            if not np.allclose(theirs, ours, rtol=0.0, atol=_SAME_M) or math.isnan(np.sum(theirs)):
                _refuse(path, f"camera {camera.name}: {key}", theirs, ours)


def _refuse(path: Path, what: str, theirs: object, ours: object) -> None:
    raise EpisodeError(
        f"{path} is of another cell: {what} is {theirs} there, {ours} in this cell; "
        "give its own with --cell"
    )
