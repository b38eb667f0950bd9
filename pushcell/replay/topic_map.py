"""Which of a bag's topics are what; a file of it makes other systems' bags readable."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import Field

from pushcell.config import CellConfig
from pushcell.config_problems import read_schema
from pushcell.config_types import Name, Positive, Section, Topic, Vector3
from pushcell.geometry import Pose
from pushcell.recording.streams import (
    COMPRESSED,
    IMAGE_TOPIC,
    PUSHER_TOPIC,
    SEEN_SLIDER_TOPIC,
    SLIDER_TOPIC,
    TARGET_TOPIC,
)

Encoding = Literal["rgb8", "bgr8", "mono8", "16UC1"]


class PoseTopic(Section):
    """A planar pose; ``fields`` are the paths of x, y [m] and theta [rad] in any message type."""

    topic: Topic
    fields: tuple[Name, Name, Name] | None = None


class ImageTopic(Section):
    """A camera's pictures; ``encoding`` where the messages say another than they mean.

    ``white`` is the value of 16UC1 that is shown as white.
    """

    topic: Topic
    encoding: Encoding | None = None
    white: Positive = 65535.0


class FramePose(Section):
    """A frame of the bag in our base."""

    xyz_m: Vector3 = (0.0, 0.0, 0.0)
    rpy_rad: Vector3 = (0.0, 0.0, 0.0)

    @functools.cached_property
    def pose(self) -> Pose:
        """Of the frame in the base."""
        return Pose.from_xyz_rpy(self.xyz_m, self.rpy_rad)


class TopicMap(Section):
    """What is not named is not there; poses of other frames than base must be named."""

    pusher: PoseTopic | None = None
    slider: PoseTopic | None = None
    target: PoseTopic | None = None
    chunk: Topic | None = None
    teleop: Topic | None = None
    request: Topic | None = None
    cameras: dict[str, ImageTopic] = Field(default_factory=dict)
    frames: dict[str, FramePose] = Field(default_factory=dict)

    @property
    def named(self) -> dict[str, str]:
        """What each topic is that is named here."""
        single = {
            "pusher": self.pusher,
            "slider": self.slider,
            "target": self.target,
            "chunk": self.chunk,
            "teleop": self.teleop,
            "request": self.request,
        }
        found = {
            kind: where if isinstance(where, str) else where.topic
            for kind, where in single.items()
            if where is not None
        }
        return found | {f"camera {name}": image.topic for name, image in self.cameras.items()}


CHUNK_TOPIC, REQUEST_TOPIC = "/policy/chunk", "/policy/request"
TELEOP_TOPIC = "/teleop/target"


def own_mapping(cell: CellConfig, there: Collection[str]) -> TopicMap:
    """Of the episodes that are recorded and generated here."""
    slider = SLIDER_TOPIC if SLIDER_TOPIC in there else SEEN_SLIDER_TOPIC
    cameras = {}
    for camera in cell.cameras:
        plain = IMAGE_TOPIC.format(camera.name)
        stored = plain + COMPRESSED if plain + COMPRESSED in there else plain
        cameras[camera.name] = ImageTopic(topic=stored)
    return TopicMap(
        pusher=PoseTopic(topic=PUSHER_TOPIC),
        slider=PoseTopic(topic=slider),
        target=PoseTopic(topic=TARGET_TOPIC),
        chunk=CHUNK_TOPIC,
        teleop=TELEOP_TOPIC,
        request=REQUEST_TOPIC,
        cameras=cameras,
    )


def load_mapping(path: Path) -> TopicMap:
    """A mapping's YAML file; raises ConfigError naming file, key, value and what is allowed."""
    return read_schema(TopicMap, path)
