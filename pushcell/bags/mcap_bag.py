"""MCAP files chunk by chunk, read ahead by two threads; an index is used where there is one."""

from __future__ import annotations

import os
import struct
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, Schema

from pushcell.bags.bag import BagTopic, RawMessage, full_type
from pushcell.bags.mcap_records import (
    DAMAGE,
    HEAD_BYTES,
    MAGIC,
    chunk_contents,
    chunk_data,
    torn_chunk,
    whole_records,
)
from pushcell.errors import EpisodeError

_THREADS = 2
_AHEAD = 3
_RUN_BYTES = 1 << 22  # of messages outside chunks that are read together
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time

DAMAGED = "chunks with a wrong checksum or length"
CUT_OFF = "bytes at the end of a file that was cut off"
TORN_CHUNK = "the last chunk of a file that was cut off, read as far as it goes"
NO_INDEX = "index"


_LANGUAGES: Mapping[str, Literal["msg", "idl"]] = {"ros2msg": "msg", "ros2idl": "idl"}
_FOREIGN = {"ros1": "of ROS 1: convert the bag with `rosbags-convert`"}


class _Place(NamedTuple):
    """Where messages are, and of which times [ns]: a chunk, or a run of records outside chunks.

    A torn chunk is here as far as it is whole.
    """

    start_ns: int
    end_ns: int
    offset: int
    length: int
    torn: Chunk | None = None
    loose: bool = False

    def extended(self, log_ns: int, end: int) -> _Place:
        """A run with one more message."""
        return self._replace(
            start_ns=min(self.start_ns, log_ns),
            end_ns=max(self.end_ns, log_ns),
            length=end - self.offset,
        )


class _Read(NamedTuple):
    """What was read of a chunk, and whether that is all of it."""

    messages: list[RawMessage]
    whole: bool


class McapBag:
    """A `Bag`; raises EpisodeError for what is no MCAP file, or holds nothing."""

    def __init__(self, path: Path) -> None:
        self._never_there: Counter[str] = Counter()
        self._not_read: Counter[str] = Counter()
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise EpisodeError(f"{path} cannot be read ({error.strerror})") from None
        self._names: dict[int, str] = {}
        self._topics: dict[str, BagTopic] = {}
        self.foreign: dict[str, str] = {}
        if self._file.read(len(MAGIC)) != MAGIC:
            self.close()
            raise EpisodeError(f"{path} does not begin as an MCAP file does: it is another file")
        self._places = sorted(self._by_index() or self._by_scan())
        if not self._places:
            self.close()
            raise EpisodeError(f"{path} holds no message that is whole")
        self.start_ns = self._places[0].start_ns
        self.end_ns = max(place.end_ns for place in self._places)

    @property
    def topics(self) -> Mapping[str, BagTopic]:
        """By name."""
        return self._topics

    @property
    def left_out(self) -> Counter[str]:
        """See `Bag`."""
        return self._never_there + self._not_read

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def messages(self, topics: Collection[str], from_ns: int = 0) -> Iterator[RawMessage]:
        """See `Bag`."""
        self._not_read = Counter()
        wanted = {number: name for number, name in self._names.items() if name in topics}
        places = (place for place in self._places if place.end_ns >= from_ns)
        coming: deque[Future[_Read]] = deque()
        with ThreadPoolExecutor(_THREADS, "bag") as threads:
            try:
                for place in places:
                    coming.append(threads.submit(self._read, place, wanted))
                    if len(coming) > _AHEAD:
                        yield from self._taken(coming.popleft(), from_ns)
                while coming:
                    yield from self._taken(coming.popleft(), from_ns)
            finally:
                threads.shutdown(cancel_futures=True)

    def _taken(self, chunk: Future[_Read], from_ns: int) -> Iterator[RawMessage]:
        read = chunk.result()
        if not read.whole:
            self._not_read[DAMAGED] += 1
        yield from (message for message in read.messages if message.log_ns >= from_ns)

    def _read(self, place: _Place, wanted: dict[int, str]) -> _Read:
        """In a thread: the messages of a chunk in their order, up to where it is damaged."""
        found: list[RawMessage] = []
        whole = True
        try:
            found.extend(_messages(self._data(place), wanted))
        except DAMAGE:
            whole = False
        return _Read(sorted(found, key=lambda message: message.log_ns), whole)

    def _data(self, place: _Place) -> bytes:
        """The records at a place; raises one of DAMAGE."""
        if place.torn is not None:
            return chunk_data(place.torn)
        content = os.pread(self._file.fileno(), place.length, place.offset)
        if place.loose:
            return content
        return chunk_data(Chunk.read(ReadDataStream(BytesIO(content[HEAD_BYTES:]))))

    def _by_index(self) -> list[_Place]:
        """By the index at the end; empty where there is none, it does not hold, or has no chunks.

        A file without chunks has no index of its messages, so that nothing is missing then; nor is
        it where the summary does not repeat the channels, which it need not.
        """
        self._file.seek(0)
        try:
            summary = make_reader(self._file).get_summary()
            if summary is None:
                self._never_there[NO_INDEX] += 1
                return []
            if not summary.channels:
                return []
            for channel in summary.channels.values():
                self._meet(channel, summary.schemas)
            return [
                _Place(
                    c.message_start_time, c.message_end_time, c.chunk_start_offset, c.chunk_length
                )
                for c in summary.chunk_indexes
            ]
        except DAMAGE:
            self._never_there[NO_INDEX] += 1
            return []

    def _by_scan(self) -> list[_Place]:
        """Record by record, as far as they are whole."""
        schemas: dict[int, Schema] = {}
        places, end = [], len(MAGIC)
        for record in whole_records(self._file):
            end = record.end
            if record.opcode == Opcode.CHUNK:
                try:
                    chunk = Chunk.read(record.stream())
                    self._meet_all(chunk, schemas)
                except DAMAGE:
                    self._never_there[DAMAGED] += 1
                    continue
                size = record.end - record.offset
                places.append(
                    _Place(chunk.message_start_time, chunk.message_end_time, record.offset, size)
                )
            elif record.opcode == Opcode.SCHEMA:
                schema = Schema.read(record.stream())
                schemas[schema.id] = schema
            elif record.opcode == Opcode.CHANNEL:
                self._meet(Channel.read(record.stream()), schemas)
            elif record.opcode == Opcode.MESSAGE:
                log_ns = _MESSAGE.unpack_from(record.content)[2]
                before = places[-1] if places else None
                if before is None or not before.loose or before.length > _RUN_BYTES:
                    before = _Place(log_ns, log_ns, record.offset, 0, loose=True)
                    places.append(before)
                places[-1] = before.extended(log_ns, record.end)
        torn = torn_chunk(self._file, end)
        if torn is not None:
            self._meet_all(torn, schemas)
            times = torn.message_start_time, torn.message_end_time
            places.append(_Place(*times, end, 0, torn))
            self._never_there[TORN_CHUNK] += 1
        else:
            self._note_cut(end)
        return places

    def _note_cut(self, end: int) -> None:
        self._file.seek(end)
        rest = self._file.read(1)
        if rest and rest[0] != Opcode.DATA_END:
            self._never_there[CUT_OFF] += os.fstat(self._file.fileno()).st_size - end

    def _meet_all(self, chunk: Chunk, schemas: dict[int, Schema]) -> None:
        contents = chunk_contents(chunk_data(chunk))
        schemas |= {schema.id: schema for schema in contents.schemas}
        for channel in contents.channels:
            self._meet(channel, schemas)

    def _meet(self, channel: Channel, schemas: dict[int, Schema]) -> None:
        schema = schemas.get(channel.schema_id)
        if schema is None or channel.message_encoding != "cdr":
            encoding = channel.message_encoding or "an encoding that it does not name"
            self.foreign[channel.topic] = _FOREIGN.get(encoding, f"in {encoding}, not in CDR")
            self._never_there[f"topics that are {self.foreign[channel.topic]}: {channel.topic}"] = 1
            return
        self._names[channel.id] = channel.topic
        language = _LANGUAGES.get(schema.encoding)
        text = schema.data.decode(errors="replace") if language else ""
        self._topics[channel.topic] = BagTopic(full_type(schema.name), text, language or "msg")


def _messages(data: bytes, wanted: dict[int, str]) -> Iterator[RawMessage]:
    """The messages in a chunk's data, whose bytes are not copied; raises one of DAMAGE where they
    end and something else begins.
    """
    view, offset = memoryview(data), 0
    while offset < len(data):
        opcode, length = struct.unpack_from("<BQ", data, offset)
        content = offset + HEAD_BYTES
        offset = content + length
        if offset > len(data):
            raise ValueError("a record is longer than its chunk")
        if opcode != Opcode.MESSAGE:
            continue
        channel, _, log_ns, _ = _MESSAGE.unpack_from(data, content)
        if channel in wanted:
            yield RawMessage(wanted[channel], log_ns, view[content + _MESSAGE.size : offset])
