"""Reads the MCAP file of a bag and checks that it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from mcap.reader import make_reader
from mcap.records import Channel, Schema
from numpy.typing import NDArray
from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.metadata import parse_qos

from pushcell.bags.bag_writer import BagSummary, Topic
from pushcell.bags.mcap_records import DAMAGE, check_chunks, chunk_offsets, is_as_written
from pushcell.bags.messages import (
    PIXELS,
    MessageDefinition,
    capture_stamp_ns,
    planar_pose_of,
)
from pushcell.closing import Closing
from pushcell.errors import EpisodeError
from pushcell.geometry import Array

T = TypeVar("T")


class BagMessage(NamedTuple):
    """One message as it was recorded."""

    topic: str
    log_ns: int
    cdr: bytes
    publish_ns: int
    lost: int = 0  # before it, of the same topic


class BagReader(Closing):
    """A context manager; every method raises EpisodeError for a file that is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise EpisodeError(f"{path} cannot be read ({error.strerror})") from None
        try:
            self._reader = make_reader(self._file, validate_crcs=True)
        except DAMAGE as error:
            self._file.close()
            raise self._damaged(error) from None
        self.summary = self._contents()
        self.types = {topic.name: topic.message_type for topic in self.summary.topics}
        self.counts = self.summary.counts

    def close(self) -> None:
        """Give its file free."""
        self._file.close()

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[BagMessage]:
        """The messages of some topics (all without), in the order of their recording."""
        wanted = None if topics is None else list(topics)
        following: dict[str, int] = {}
        try:
            check_chunks(self._file, self._chunk_offsets or chunk_offsets(self._file))
            for _, channel, message in self._reader.iter_messages(wanted):
                topic, number = channel.topic, message.sequence
                lost = max(0, number - following.get(topic, number))
                following[topic] = number + 1
                yield BagMessage(topic, message.log_time, message.data, message.publish_time, lost)
        except DAMAGE as error:
            raise self._damaged(error) from None

    def pixels(self, message: BagMessage) -> NDArray[np.uint8]:
        """The picture (H, W, 3) RGB of a message of an image's topic."""
        return self._read(PIXELS[self.types[message.topic]], message)

    def stamp_ns(self, message: BagMessage) -> int:
        """The stamp of a message that has a header."""
        return self._read(capture_stamp_ns, message)

    def planar_pose(self, message: BagMessage) -> Array:
        """(3,) of a message of a pose's topic."""
        return self._read(planar_pose_of, message)

    def _read(self, read: Callable[[bytes], T], message: BagMessage) -> T:
        try:
            return read(message.cdr)
        except ValueError as error:
            raise EpisodeError(f"{self._path}: {message.topic}: {error}") from None

    def verify(self) -> None:
        """Read every message and check all checksums and the counts of the index."""
        seen = dict.fromkeys(self.counts, 0)
        for message in self.messages():
            seen[message.topic] += 1
        if not is_as_written(self._file):
            raise self._damaged("what is around its messages has another checksum than was written")
        if seen != self.counts:
            raise self._damaged(f"it holds {seen} messages where its index says {self.counts}")

    def _contents(self) -> BagSummary:
        """What the index says."""
        try:
            summary = self._reader.get_summary()
            if summary is None or summary.statistics is None:
                raise EOFError("it has no index: its recording was cut off")
            counts = summary.statistics.channel_message_counts
            channels = list(summary.channels.values())
            topics = tuple(
                _topic(channel, summary.schemas[channel.schema_id]) for channel in channels
            )
        except (*DAMAGE, ReaderError) as error:
            self._file.close()
            raise self._damaged(error) from None
        self._chunk_offsets = [index.chunk_start_offset for index in summary.chunk_indexes]
        start, end = summary.statistics.message_start_time, summary.statistics.message_end_time
        return BagSummary(topics, {c.topic: counts.get(c.id, 0) for c in channels}, start, end)

    def _damaged(self, why: object) -> EpisodeError:
        return EpisodeError(f"{self._path} is damaged ({why}): recover it or record it again")


def _topic(channel: Channel, schema: Schema) -> Topic:
    definition = MessageDefinition(
        schema.data.decode(), channel.metadata.get("topic_type_hash", "")
    )
    qos = parse_qos(channel.metadata.get("offered_qos_profiles", ""))
    return Topic(channel.topic, schema.name, qos, definition)
