"""Writes bags as rosbag2 (Jazzy) does: MCAP with zstd chunks, and ``metadata.yaml`` beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from mcap.writer import CompressionType, Writer
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2.metadata import dump_qos_v9

from pushcell.bags.messages import MessageDefinition, definition_of
from pushcell.bags.plain_yaml import yaml_text

_CHUNK_BYTES = 4 * 2**20  # some forty small images: most of each is like the one before
_FOREVER = QosTime(9223372036, 854775807)
RELIABLE = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)


@dataclass(frozen=True)
class Topic:
    """What is recorded under one name. Without a definition the type must be a standard one."""

    name: str
    message_type: str
    qos: Sequence[Qos] = (RELIABLE,)
    definition: MessageDefinition | None = None


@dataclass(frozen=True)
class BagSummary:
    """What a finished bag holds; times are of the log [ns]."""

    topics: tuple[Topic, ...]
    counts: Mapping[str, int]
    start_ns: int
    end_ns: int

    def metadata_yaml(self, file_name: str) -> str:
        """The text of rosbag2's ``metadata.yaml``, version 9."""
        return f"rosbag2_bagfile_information:\n{textwrap.indent(self.information(file_name), '  ')}"

    def information(self, file_name: str) -> str:
        """What ``metadata.yaml`` says, and the file's own metadata record too."""
        return yaml_text(self._information(file_name))

    def _information(self, file_name: str) -> dict[str, Any]:
        duration = {"nanoseconds": self.end_ns - self.start_ns}
        start = {"nanoseconds_since_epoch": self.start_ns}
        total = sum(self.counts.values())
        topics = [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.message_type,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": dump_qos_v9(list(topic.qos)),
                    "type_description_hash": _definition(topic).type_hash,
                },
                "message_count": self.counts[topic.name],
            }
            for topic in self.topics
        ]
        return {
            "version": 9,
            "storage_identifier": "mcap",
            "duration": duration,
            "starting_time": start,
            "message_count": total,
            "topics_with_message_count": topics,
            "compression_format": "",  # of whole files or messages; chunks tell of themselves
            "compression_mode": "",
            "relative_file_paths": [file_name],
            "files": [
                {
                    "path": file_name,
                    "starting_time": dict(start),
                    "duration": dict(duration),
                    "message_count": total,
                }
            ],
            "custom_data": None,
            "ros_distro": "jazzy",
        }


class BagWriter:
    """One MCAP file on a stream; messages go in as the bytes that they travel as."""

    def __init__(
        self, stream: IO[bytes], topics: Sequence[Topic], chunk_bytes: int = _CHUNK_BYTES
    ) -> None:
        self._topics = tuple(topics)
        self._counts = dict.fromkeys((topic.name for topic in topics), 0)
        self._lost = dict.fromkeys(self._counts, 0)
        self._start_ns, self._end_ns = 0, 0
        self._writer = Writer(stream, chunk_bytes, CompressionType.ZSTD, enable_data_crcs=True)
        self._writer.start("ros2", "pushcell")
        schemas: dict[str, int] = {}
        for topic in topics:
            if topic.message_type not in schemas:
                text = _definition(topic).text.encode()
                schemas[topic.message_type] = self._writer.register_schema(
                    topic.message_type, "ros2msg", text
                )
        self._channels = {
            topic.name: self._writer.register_channel(
                topic.name,
                "cdr",
                schemas[topic.message_type],
                {
                    "offered_qos_profiles": yaml_text(dump_qos_v9(list(topic.qos))),
                    "topic_type_hash": _definition(topic).type_hash,
                },
            )
            for topic in topics
        }

    def add(
        self, topic: str, log_ns: int, cdr: bytes, publish_ns: int | None = None, lost: int = 0
    ) -> None:
        """Append one message of a known topic, at the time of its recording.

        How many were lost before it shows as a gap in the numbers that messages have.
        """
        first = not any(self._counts.values())
        self._lost[topic] += lost
        self._start_ns = log_ns if first else min(self._start_ns, log_ns)
        self._end_ns = log_ns if first else max(self._end_ns, log_ns)
        self._writer.add_message(
            self._channels[topic],
            log_ns,
            cdr,
            log_ns if publish_ns is None else publish_ns,
            self._counts[topic] + self._lost[topic],
        )
        self._counts[topic] += 1

    def flush(self) -> None:
        """Hand all messages so far to the stream, as a chunk that can be read without the rest."""
        self._writer.flush()

    def close(self, file_name: str) -> BagSummary:
        """Write what makes the file a bag: its metadata and the index. The stream stays open."""
        summary = BagSummary(self._topics, dict(self._counts), self._start_ns, self._end_ns)
        text = summary.information(file_name)
        self._writer.add_metadata("rosbag2", {"serialized_metadata": text})
        self._writer.finish()
        return summary


def _definition(topic: Topic) -> MessageDefinition:
    return topic.definition or definition_of(topic.message_type)
