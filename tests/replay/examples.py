"""Recordings made up for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from benchmarks.synthetic_cell import TYPES, Heard, live
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.config.cell import CellConfig
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import BAG_FILE, METADATA_FILE
from tests.policy_server.examples import some_manifest
from tests.policy_server.toy_bundle import driving_graphs, random_graphs, write_toy
from tests.recording.examples import some_info, some_steps

TOUCH = "cell_msgs/msg/Touch"
TOUCH_TEXT = """std_msgs/Header header
cell_msgs/Spot spot
================================================================================
MSG: cell_msgs/Spot
float64 east
float64 north
float32 turn
"""


def heard(cell: CellConfig, seconds: float = 6.0) -> list[Heard]:
    """What a good cell publishes, without the cameras' models."""
    return [m for m in live(cell, seconds) if m.topic in TYPES]


def write_bag(path: Path, messages: Iterable[Heard], types: dict[str, str] | None = None) -> Path:
    """One MCAP file."""
    types = types or TYPES
    with path.open("wb") as file:
        bag = BagWriter(file, [Topic(name, kind) for name, kind in types.items()], 200_000)
        for message in messages:
            bag.add(message.topic, message.log_ns, message.cdr)
        bag.close(path.name)
    return path


def write_episode(folder: Path, cell: CellConfig, messages: Iterable[Heard], **info: Any) -> Path:
    """An episode's folder with these messages."""
    folder.mkdir(parents=True)
    write_bag(folder / BAG_FILE, messages)
    (folder / METADATA_FILE).write_text("")
    values = some_info(some_steps(size=None), cell, folder.name).model_dump()
    values["task"] = cell.task.model_dump()
    (folder / "episode.yaml").write_text(EpisodeInfo.model_validate({**values, **info}).to_yaml())
    return folder


def steady_bundle(folder: Path, cell: CellConfig, cameras: tuple[str, ...] = ()) -> Path:
    """Goes to a point near the pusher's home."""
    schedule = {
        "kind": "diffusion",
        "train_steps": 100,
        "prediction": "sample",
        "inference_steps": 4,
    }
    manifest = some_manifest(cell, cameras, schedule=schedule)
    to = np.array(cell.task.pusher_home_m) - [0.03, 0.02]
    return write_toy(folder, manifest, driving_graphs(manifest, to, 0.1))


def senseless_bundle(folder: Path, cell: CellConfig) -> Path:
    """Its chunks depend on everything, the noise too, and lead anywhere."""
    manifest = some_manifest(cell)
    return write_toy(folder, manifest, random_graphs(manifest))


class ForeignBag:
    """A bag of another system, written by `rosbags`."""

    def __init__(self, path: Path, storage: str) -> None:
        self.store = get_typestore(Stores.ROS2_HUMBLE)
        self.store.register(get_types_from_msg(TOUCH_TEXT, TOUCH))
        plugin = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}[storage]
        self._writer = Writer(path, version=9, storage_plugin=plugin)
        self._writer.open()
        self._connections: dict[str, Any] = {}

    def add(self, topic: str, kind: str, log_ns: int, *fields: Any) -> None:
        """A message of these fields."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self.store
            )
        message = self.store.types[kind](*fields)
        self._writer.write(
            self._connections[topic], log_ns, self.store.serialize_cdr(message, kind)
        )

    def header(self, stamp_ns: int, frame: str) -> Any:
        """Of a message."""
        time = self.store.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
        return self.store.types["std_msgs/msg/Header"](time, frame)

    def close(self) -> None:
        """The bag is whole."""
        self._writer.close()
