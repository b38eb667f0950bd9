"""The records of an MCAP file one by one, as far as they are whole.

A record is an opcode, the length of its content (8 bytes) and the content; the file begins and
ends with eight bytes of magic. Messages are in chunks, each followed by its message indexes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Any, NamedTuple

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, MessageIndex, Schema

MAGIC = b"\x89MCAP0\r\n"
HEAD_BYTES = 9
_DATA_END = struct.Struct("<BQI")  # opcode, length, checksum of the data
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time

# What readers stumble over in bytes that are not what was written.
DAMAGE = (
    McapError,
    zstandard.ZstdError,
    RuntimeError,  # of lz4
    struct.error,
    ValueError,
    KeyError,
    EOFError,
    OSError,
)


class Record(NamedTuple):
    """One whole record and where it begins in its file."""

    offset: int
    opcode: int
    content: bytes

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + HEAD_BYTES + len(self.content)

    def stream(self) -> ReadDataStream:
        """The content as mcap's own records are read from."""
        return ReadDataStream(BytesIO(self.content))


class ChunkContents(NamedTuple):
    """A chunk's messages in the order in which they were written."""

    schemas: list[Schema]
    channels: list[Channel]
    indexes: dict[int, MessageIndex]  # by channel
    end: int  # of the last whole record in the chunk's data


def whole_records(file: IO[bytes], start: int = len(MAGIC)) -> Iterator[Record]:
    """The records from an offset on, up to the first that is not all there or the data's end."""
    size = os.fstat(file.fileno()).st_size
    offset = start
    while offset + HEAD_BYTES <= size:
        file.seek(offset)
        opcode, length = struct.unpack("<BQ", file.read(HEAD_BYTES))
        if not 0 < opcode < Opcode.DATA_END or offset + HEAD_BYTES + length > size:
            return
        record = Record(offset, opcode, file.read(length))
        yield record
        offset = record.end


def is_as_written(file: IO[bytes]) -> bool:
    """Whether the file has an end, and its data the checksum that stands there, if one does."""
    file.seek(0)
    checksum, end = zlib.crc32(file.read(len(MAGIC))), len(MAGIC)
    for record in whole_records(file):
        head = struct.pack("<BQ", record.opcode, len(record.content))
        checksum, end = zlib.crc32(record.content, zlib.crc32(head, checksum)), record.end
    file.seek(end)
    rest = file.read()
    if len(rest) < _DATA_END.size:
        return False
    opcode, _, told = _DATA_END.unpack_from(rest)
    return opcode == Opcode.DATA_END and told in (0, checksum) and rest.endswith(MAGIC)


def chunk_of(record: Record) -> Chunk:
    """The chunk in a record of that kind."""
    return Chunk.read(record.stream())


def chunk_data(chunk: Chunk) -> bytes:
    """The records in a chunk; raises one of DAMAGE unless they are what was written."""
    data = chunk.data
    if chunk.compression == "zstd":
        data = zstandard.decompress(data, chunk.uncompressed_size)
    elif chunk.compression == "lz4":
        data = lz4.frame.decompress(data)
    elif chunk.compression:
        raise ValueError(f"a chunk is compressed by {chunk.compression!r}, not by zstd or lz4")
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise ValueError("a chunk has another checksum than was written")
    return data


def chunk_contents(data: bytes) -> ChunkContents:
    """What the data of a chunk hold, as far as their records are whole."""
    contents = ChunkContents([], [], {}, 0)
    offset = 0
    while offset + HEAD_BYTES <= len(data):
        opcode, length = struct.unpack_from("<BQ", data, offset)
        content = offset + HEAD_BYTES
        if content + length > len(data):
            break
        if opcode == Opcode.MESSAGE:
            channel, _, log_ns, _ = _MESSAGE.unpack_from(data, content)
            index = contents.indexes.setdefault(channel, MessageIndex(channel, []))
            index.records.append((log_ns, offset))
        elif opcode == Opcode.SCHEMA:
            contents.schemas.append(Schema.read(_part(data, content, length)))
        elif opcode == Opcode.CHANNEL:
            contents.channels.append(Channel.read(_part(data, content, length)))
        offset = content + length
    return contents._replace(end=offset)


def torn_chunk(file: IO[bytes], offset: int) -> Chunk | None:
    """What is whole in the chunk that begins at an offset and is cut off by the file's end.

    None where no chunk begins there, or nothing of it can be read.
    """
    file.seek(offset)
    rest = file.read()
    if len(rest) < HEAD_BYTES or rest[0] != Opcode.CHUNK:
        return None
    try:
        chunk = Chunk.read(ReadDataStream(BytesIO(rest[HEAD_BYTES:])))
    except DAMAGE:
        return None
    return _whole_part(chunk)


def _whole_part(chunk: Chunk) -> Chunk | None:
    data = _unpacked_part(chunk)
    contents = chunk_contents(data)
    if not contents.indexes:
        return None
    return packed_chunk(data[: contents.end], contents)


def _unpacked_part(chunk: Chunk) -> bytes:
    """The data of a torn chunk, as far as they can be unpacked; nothing for unknown packings."""
    if not chunk.compression:
        return chunk.data
    unpackers: dict[str, Any] = {
        "zstd": zstandard.ZstdDecompressor().decompressobj,
        "lz4": lz4.frame.LZ4FrameDecompressor,
    }
    if chunk.compression not in unpackers:
        return b""
    unpacker, data = unpackers[chunk.compression](), bytearray()
    try:
        for start in range(0, len(chunk.data), 4096):
            data += unpacker.decompress(chunk.data[start : start + 4096])
    except (zstandard.ZstdError, RuntimeError, EOFError):
        pass  # up to there it is what was written
    return bytes(data)


def packed_chunk(data: bytes, contents: ChunkContents) -> Chunk:
    """A chunk of these records."""
    times = [log_ns for index in contents.indexes.values() for log_ns, _ in index.records]
    return Chunk(
        compression="zstd",
        data=zstandard.compress(data),
        message_start_time=min(times),
        message_end_time=max(times),
        uncompressed_crc=zlib.crc32(data),
        uncompressed_size=len(data),
    )


def record_bytes(*records: Any) -> bytes:
    """mcap's own records as they lie in a file."""
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return builder.end()


def _part(data: bytes, start: int, length: int) -> ReadDataStream:
    return ReadDataStream(BytesIO(data[start : start + length]))
