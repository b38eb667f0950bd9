"""Reads the MCAP file of a bag and checks that it is whole."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from mcap.exceptions import McapError
from mcap.reader import make_reader
from zstandard import ZstdError

from pushcell.errors import EpisodeError

# What readers stumble over in bytes that are not what was written.
_DAMAGE = (McapError, ZstdError, struct.error, ValueError, KeyError, EOFError, OSError)


class BagMessage(NamedTuple):
    """One message as it was recorded."""

    topic: str
    log_ns: int
    cdr: bytes


class BagReader:
    """A context manager; every method raises EpisodeError for a file that is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise EpisodeError(f"{path} cannot be read ({error.strerror})") from None
        self._reader = make_reader(self._file, validate_crcs=True)
        self.types, self.counts = self._contents()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[BagMessage]:
        """The messages of some topics (all without), in the order of their recording."""
        wanted = None if topics is None else list(topics)
        try:
            for _, channel, message in self._reader.iter_messages(wanted):
                yield BagMessage(channel.topic, message.log_time, message.data)
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def verify(self) -> None:
        """Read every message and check the checksums and the counts of the index."""
        seen = dict.fromkeys(self.counts, 0)
        for message in self.messages():
            seen[message.topic] += 1
        if seen != self.counts:
            raise self._damaged(f"it holds {seen} messages where its index says {self.counts}")

    def _contents(self) -> tuple[dict[str, str], dict[str, int]]:
        """Type and number of messages of each topic."""
        try:
            summary = self._reader.get_summary()
        except _DAMAGE as error:
            self._file.close()
            raise self._damaged(error) from None
        if summary is None or summary.statistics is None:
            self._file.close()
            raise self._damaged("it has no index: its recording was cut off")
        counts = summary.statistics.channel_message_counts
        return (
            {c.topic: summary.schemas[c.schema_id].name for c in summary.channels.values()},
            {c.topic: counts.get(c.id, 0) for c in summary.channels.values()},
        )

    def _damaged(self, why: object) -> EpisodeError:
        return EpisodeError(f"{self._path} is damaged ({why}): recover it or record it again")
