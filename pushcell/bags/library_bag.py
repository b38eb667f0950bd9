"""sqlite3 bags, and bags that are compressed as whole files, read by `rosbags`."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from rosbags.interfaces import MessageDefinitionFormat
from rosbags.rosbag2 import Reader, ReaderError

from pushcell.bags.bag import BagTopic, RawMessage, full_type
from pushcell.errors import EpisodeError


class LibraryBag:
    """A ``.db3`` file, or a folder with ``metadata.yaml``; raises EpisodeError where it is none."""

    def __init__(self, path: Path) -> None:
        self.left_out: Counter[str] = Counter()
        self.foreign: Mapping[str, str] = {}
        try:
            self._reader = Reader(path)
            self._reader.open()
        except (ReaderError, OSError, sqlite3.Error) as error:
            raise EpisodeError(
                f"{path} is no bag that can be read ({error}): `sqlite3 FILE .recover` may mend a "
                "damaged .db3, `ros2 bag reindex` a missing metadata.yaml"
            ) from None
        self.start_ns, self.end_ns = self._reader.start_time, self._reader.end_time
        formats = MessageDefinitionFormat
        self.topics: Mapping[str, BagTopic] = {
            connection.topic: BagTopic(
                full_type(connection.msgtype),
                "" if connection.msgdef.format is formats.NONE else connection.msgdef.data,
                "idl" if connection.msgdef.format is formats.IDL else "msg",
            )
            for connection in self._reader.connections
        }

    def close(self) -> None:
        """Give the file back."""
        self._reader.close()

    def messages(self, topics: Collection[str], from_ns: int = 0) -> Iterator[RawMessage]:
        """See `Bag`."""
        self.left_out.clear()
        wanted = [c for c in self._reader.connections if c.topic in topics]
        if not wanted:
            return  # none would mean all
        try:
            for connection, log_ns, cdr in self._reader.messages(wanted, start=from_ns or None):
                yield RawMessage(connection.topic, log_ns, cdr)
        except (ReaderError, sqlite3.Error) as error:
            self.left_out[f"the rest of the file: {error}"] += 1
