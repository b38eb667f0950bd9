"""What is recorded of a cell, topic by topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rosbags.interfaces import Qos

from pushcell.bags.bag_writer import RELIABLE, Topic
from pushcell.bags.messages import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    JOINT_STATE,
    POSE,
    STATUS,
    STRING,
    is_standard,
    jpeg_cdr,
)
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError

PUSHER_TOPIC = "/pusher/pose"
SLIDER_TOPIC = "/slider/true_pose"  # of a simulated cell
SEEN_SLIDER_TOPIC = "/slider/pose"
TARGET_TOPIC = "/motion/target"
JOINTS_TOPIC = "/joint_states"
MOTION_TOPIC = "/motion/state"
POLICY_TOPIC = "/policy/bundle"
IMAGE_TOPIC = "/camera/{}/color/image_raw"
INFO_TOPIC = "/camera/{}/color/camera_info"
METADATA_TOPIC = "/camera/{}/color/metadata"
COMPRESSED = "/compressed"

_TYPES = {
    PUSHER_TOPIC: POSE,
    TARGET_TOPIC: POSE,
    JOINTS_TOPIC: JOINT_STATE,
    MOTION_TOPIC: STATUS,
    POLICY_TOPIC: STRING,
}


@dataclass(frozen=True)
class Stream:
    """One topic as it is published; ``rate_hz`` is expected, None for what comes as it comes."""

    topic: str
    message_type: str
    rate_hz: float | None
    jpeg_quality: int | None = None

    def stored(self, qos: Sequence[Qos] = (RELIABLE,)) -> Topic:
        """What it is in the bag."""
        if self.jpeg_quality is None:
            return Topic(self.topic, self.message_type, qos)
        return Topic(self.topic + COMPRESSED, COMPRESSED_IMAGE, qos)

    def encoded(self, cdr: bytes) -> bytes:
        """A message as it goes into the bag; ValueError for an image that is not colour."""
        return cdr if self.jpeg_quality is None else jpeg_cdr(cdr, self.jpeg_quality)


def streams_of(cell: CellConfig) -> tuple[Stream, ...]:
    """The configured topics and each camera's; raises ConfigError for a type that is unknown."""
    recording = cell.recording
    streams = []
    for topic in recording.topics:
        if not is_standard(topic.type) or _TYPES.get(topic.name, topic.type) != topic.type:
            allowed = _TYPES.get(topic.name, "the standard types of ROS 2 Jazzy")
            raise ConfigError(f"recording.topics: {topic.name} is {topic.type}, allowed: {allowed}")
        streams.append(Stream(topic.name, topic.type, topic.rate_hz))
    quality = {"lossless": None, "jpeg": recording.jpeg_quality}[recording.images]
    for camera in cell.cameras:
        name, rate_hz = camera.name, camera.rate_hz
        streams.append(Stream(IMAGE_TOPIC.format(name), IMAGE, rate_hz, quality))
        streams.append(Stream(INFO_TOPIC.format(name), CAMERA_INFO, None))
        streams.append(Stream(METADATA_TOPIC.format(name), STATUS, None))
    return tuple(streams)
