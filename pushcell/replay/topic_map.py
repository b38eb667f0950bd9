"""Which of a bag's topics are what; a file of it makes other systems' bags readable."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pushcell.bags.pixels import ENCODINGS, WHITE
from pushcell.config.cell import CellConfig
from pushcell.config.types import Name, Positive, Section, Topic, Vector3
from pushcell.config.validation import read_schema
from pushcell.geometry import Pose
from pushcell.recording.streams import (
    COMPRESSED,
    IMAGE_TOPIC,
    PUSHER_TOPIC,
    SEEN_SLIDER_TOPIC,
    SLIDER_TOPIC,
    TARGET_TOPIC,
)
from pushcell.replay.field_path import parse_path
from pushcell.units import angle_problem, length_problem


def _known_encoding(name: str) -> str:
    if name not in ENCODINGS:
        raise ValueError(f"allowed: {', '.join(ENCODINGS)}")
    return name


def _well_formed(path: str) -> str:
    parse_path(path)
    return path


def _without(problem: str) -> None:
    if problem:
        raise ValueError(problem)


def _lengths(values: Vector3) -> Vector3:
    _without(length_problem(values))
    return values


def _angles(values: Vector3) -> Vector3:
    _without(angle_problem(values))
    return values


def _planar(pose: Vector3) -> Vector3:
    _without(length_problem(pose[:2]))
    _without(angle_problem(pose[2]))
    return pose


Lengths = Annotated[Vector3, AfterValidator(_lengths)]
Angles = Annotated[Vector3, AfterValidator(_angles)]
PlanarVector = Annotated[Vector3, AfterValidator(_planar)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
FieldPath = Annotated[Name, AfterValidator(_well_formed)]


class StampedTopic(Section):
    """A topic and its clock.

    ``clock: log`` takes the time of recording where stamps are of no use; ``offset_s`` is added to
    every stamp.
    """

    topic: Topic
    clock: Literal["stamp", "log"] = "stamp"
    offset_s: float = 0.0


class PoseTopic(StampedTopic):
    """A planar pose; ``fields`` are the paths of x, y [m] and theta [rad] in any message type.

    ``parent`` and ``child`` choose one transform of a TFMessage. ``integrate_from`` is the pose
    (x, y, theta) at which the integration of a TwistStamped begins. ``quaternion: wxyz`` is for
    publishers that fill in w first.
    """

    fields: tuple[FieldPath, FieldPath, FieldPath] | None = None
    parent: Name | None = None
    child: Name | None = None
    quaternion: Literal["xyzw", "wxyz"] = "xyzw"
    integrate_from: PlanarVector | None = None


class ImageTopic(StampedTopic):
    """A camera's pictures; ``encoding`` where the messages say another than they mean.

    ``white`` is the value of a 16-bit image that is shown as white.
    """

    encoding: Encoding | None = None
    white: Positive = WHITE


class FramePose(Section):
    """A frame of the bag in our base."""

    xyz_m: Lengths = (0.0, 0.0, 0.0)
    rpy_rad: Angles = (0.0, 0.0, 0.0)

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

    def stamped(self, what: str) -> StampedTopic | None:
        """The topic of a name in `named`, where its stamps may be of another clock."""
        kind, _, camera = what.partition(" ")
        if kind == "camera":
            return self.cameras[camera]
        found = getattr(self, kind)
        return found if isinstance(found, StampedTopic) else None


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
