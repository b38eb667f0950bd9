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

import numpy as np
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    MessageIndex,
    Metadata,
    Schema,
    Statistics,
    SummaryOffset,
)

from pushcell.bags.mcap_records import (
    DAMAGE,
    HEAD_BYTES,
    MAGIC,
    PRIVATE,
    ChunkContents,
    Record,
    chunk_contents,
    chunk_data,
    next_chunk,
    readable_chunk,
    record_bytes,
    torn_chunk,
    whole_records,
)
from pushcell.errors import EpisodeError

# What stands between chunks.
_KINDS: dict[int, Any] = {
    Opcode.HEADER: Header,
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.MESSAGE_INDEX: MessageIndex,
    Opcode.METADATA: Metadata,
}
_UNSEEN = (Opcode.MESSAGE, Opcode.ATTACHMENT)  # not of ours: left as they are


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

    What is wrong in the message indexes after a chunk is written anew. What makes no sense becomes
    a record that readers pass over.
    """
    index, damaged, end = _Index(), 0, len(MAGIC)
    while True:
        record = next(whole_records(file, end), None)
        found = None
        if record is not None and record.opcode == Opcode.CHUNK:
            found = readable_chunk(record)
        if record is not None and found is not None:
            end = _add_chunk(index, file, record, *found)
        elif record is not None and _makes_sense(record):
            end = record.end
        else:
            following = next_chunk(file, end) or (record and record.end)
            if following is None:
                return index, damaged, end
            _cover(file, end, following)
            damaged, end = damaged + 1, following


def _add_chunk(
    index: _Index, file: IO[bytes], record: Record, chunk: Chunk, contents: ChunkContents
) -> int:
    """Take a chunk and its message indexes into the index; returns where they end."""
    index.add_chunk(record.offset, record.end, chunk, contents)
    if _has_message_indexes(file, record.end, contents):
        return index.write_message_indexes(file, record.end, contents)
    return record.end


def _makes_sense(record: Record) -> bool:
    """Whether a record that is no chunk is what was written, as far as can be seen."""
    kind = _KINDS.get(record.opcode)
    if kind is None:
        return record.opcode in _UNSEEN or record.opcode >= PRIVATE
    try:
        return record_bytes(kind.read(record.stream()))[HEAD_BYTES:] == record.content
    except DAMAGE:
        return False


def _cover(file: IO[bytes], start: int, end: int) -> None:
    file.seek(start)
    file.write(struct.pack("<BQ", PRIVATE, end - start - HEAD_BYTES))


def _has_message_indexes(file: IO[bytes], start: int, contents: ChunkContents) -> bool:
    """Whether a chunk's message indexes stand behind it, perhaps damaged or cut off."""
    wanted = record_bytes(*contents.indexes.values())
    file.seek(start)
    there = file.read(len(wanted))
    if len(there) < len(wanted):
        return True
    same = np.count_nonzero(np.frombuffer(there, np.uint8) == np.frombuffer(wanted, np.uint8))
    return bool(2 * same > len(wanted))


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

    def write_chunk(self, file: IO[bytes], chunk: Chunk) -> None:
        """Append a chunk and its message indexes."""
        start = file.tell()
        file.write(record_bytes(chunk))
        contents = chunk_contents(chunk_data(chunk))
        self.add_chunk(start, file.tell(), chunk, contents)
        self.write_message_indexes(file, file.tell(), contents)

    def write_message_indexes(self, file: IO[bytes], start: int, contents: ChunkContents) -> int:
        """Write those of the last chunk, over what is there of them; returns where they end."""
        file.seek(start)
        for channel, index in contents.indexes.items():
            self.chunks[-1].message_index_offsets[channel] = file.tell()
            file.write(record_bytes(index))
        self.chunks[-1].message_index_length = file.tell() - start
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
