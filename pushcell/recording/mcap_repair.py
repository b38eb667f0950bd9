"""Makes an MCAP file whole whose writing was cut off, in its place: no message is copied.

Every whole chunk stays where it is, a torn one is kept as far as its messages are whole, what
lies behind is cut off, and the index is written anew. That needs little room on the disk, so it
works on a full one, and the file is valid at its end or, after another crash, can be repaired
again.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    MessageIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from pushcell.errors import EpisodeError
from pushcell.recording.mcap_records import (
    DAMAGE,
    MAGIC,
    ChunkContents,
    Record,
    chunk_contents,
    chunk_data,
    chunk_of,
    record_bytes,
    torn_chunk,
    whole_records,
)


@dataclass(frozen=True)
class Repair:
    """What became of a file."""

    messages: int
    damaged_chunks: int
    cut_off_bytes: int


def repair(path: Path, keep_torn: bool = True) -> Repair:
    """Make the file whole and bring it to the disk; a torn chunk needs room to be kept.

    Raises EpisodeError for a file that was never one of MCAP, and lets OSError through.
    """
    with path.open("r+b") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise EpisodeError(f"{path} does not begin as an MCAP file does: nothing can be kept")
        index, damaged, end = _read(file)
        torn = torn_chunk(file, end) if keep_torn else None
        size = file.seek(0, os.SEEK_END)
        file.truncate(end)
        file.seek(end)
        if torn is not None:
            index.write_chunk(file, torn)
        kept = file.tell()
        index.write_end(file)
        file.flush()
        os.fsync(file.fileno())
    return Repair(index.messages, damaged, max(0, size - kept))


def _read(file: IO[bytes]) -> tuple[_Index, int, int]:
    """The index of the whole chunks, how many are damaged, and where the good part ends.

    The message indexes of the last chunk may be cut off: they are written again.
    """
    index, damaged, end = _Index(), 0, len(MAGIC)
    last: tuple[Record, Chunk, ChunkContents] | None = None
    for record in whole_records(file):
        if record.opcode == Opcode.CHUNK:
            try:
                chunk = chunk_of(record)
                contents = chunk_contents(chunk_data(chunk))
            except DAMAGE:
                last, damaged = None, damaged + 1
            else:
                index.add_chunk(record.offset, record.end, chunk, contents)
                last = record, chunk, contents
        elif record.opcode == Opcode.MESSAGE_INDEX and last is not None:
            message_index = _message_index(file, record, last[2])
            if message_index is not None:
                index.add_message_index(record.offset, record.end, message_index)
        end = record.end
    if last is not None and len(index.chunks[-1].message_index_offsets) < len(last[2].indexes):
        record, chunk, contents = last
        end = index.write_message_indexes(file, record.end, contents)
    return index, damaged, end


def _message_index(file: IO[bytes], record: Record, chunk: ChunkContents) -> MessageIndex | None:
    """The message index in a record; a damaged one is written again from its chunk.

    None for a channel of which the chunk has no message.
    """
    try:
        return MessageIndex.read(record.stream())
    except DAMAGE:
        channel = int.from_bytes(record.content[:2], "little")
    right = chunk.indexes.get(channel)
    if right is not None and len(record_bytes(right)) == record.end - record.offset:
        file.seek(record.offset)
        file.write(record_bytes(right))
    return right


@dataclass
class _Index:
    """What the end of an MCAP file says about its chunks."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)

    @property
    def messages(self) -> int:
        return sum(self.counts.values())

    def add_chunk(self, start: int, end: int, chunk: Chunk, contents: ChunkContents) -> None:
        self.schemas |= {schema.id: schema for schema in contents.schemas}
        self.channels |= {channel.id: channel for channel in contents.channels}
        for channel, index in contents.indexes.items():
            self.counts[channel] = self.counts.get(channel, 0) + len(index.records)
        self.chunks.append(
            ChunkIndex(
                chunk_start_offset=start,
                chunk_length=end - start,
                compression=chunk.compression,
                compressed_size=len(chunk.data),
                uncompressed_size=chunk.uncompressed_size,
                message_start_time=chunk.message_start_time,
                message_end_time=chunk.message_end_time,
                message_index_offsets={},
                message_index_length=0,
            )
        )

    def add_message_index(self, start: int, end: int, index: MessageIndex) -> None:
        self.chunks[-1].message_index_offsets[index.channel_id] = start
        self.chunks[-1].message_index_length += end - start

    def write_chunk(self, file: IO[bytes], chunk: Chunk) -> None:
        """Append a chunk and its message indexes."""
        start = file.tell()
        file.write(record_bytes(chunk))
        contents = chunk_contents(chunk_data(chunk))
        self.add_chunk(start, file.tell(), chunk, contents)
        self.write_message_indexes(file, file.tell(), contents)

    def write_message_indexes(self, file: IO[bytes], start: int, contents: ChunkContents) -> int:
        """Write those of the last chunk, over what is there of them; returns where they end."""
        self.chunks[-1].message_index_offsets.clear()
        self.chunks[-1].message_index_length = 0
        file.seek(start)
        for index in contents.indexes.values():
            before = file.tell()
            file.write(record_bytes(index))
            self.add_message_index(before, file.tell(), index)
        return file.tell()

    def write_end(self, file: IO[bytes]) -> None:
        """What follows the last chunk: the end of the data, the summary, the footer."""
        file.write(record_bytes(DataEnd(0)))
        start = file.tell()
        groups: dict[Opcode, list[Any]] = {
            Opcode.SCHEMA: list(self.schemas.values()),
            Opcode.CHANNEL: list(self.channels.values()),
            Opcode.STATISTICS: [self._statistics()],
            Opcode.CHUNK_INDEX: self.chunks,
        }
        summary, offsets = b"", []
        for opcode, records in groups.items():
            part = record_bytes(*records)
            offsets.append(SummaryOffset(opcode, start + len(summary), len(part)))
            summary += part
        offsets_start = start + len(summary)
        summary += record_bytes(*offsets)
        head = struct.pack("<BQQQ", Opcode.FOOTER, 8 + 8 + 4, start, offsets_start)
        checksum = zlib.crc32(head, zlib.crc32(summary))
        file.write(summary + record_bytes(Footer(start, offsets_start, checksum)) + MAGIC)

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=len(self.channels),
            channel_message_counts=self.counts,
            chunk_count=len(self.chunks),
            message_count=self.messages,
            message_start_time=min((c.message_start_time for c in self.chunks), default=0),
            message_end_time=max((c.message_end_time for c in self.chunks), default=0),
            metadata_count=0,
            schema_count=len(self.schemas),
        )
