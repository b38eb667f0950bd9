"""The records of an MCAP file one by one, as far as they are whole.

A record is an opcode, the length of its content (8 bytes) and the content; the file begins and
ends with eight bytes of magic. Messages are in chunks, each followed by its message indexes.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
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
MOST_CHUNK_BYTES = 1 << 26
"""No honest chunk unpacks to more; a few bytes could stand for any number."""
_PIECE_BYTES = 1 << 16
PRIVATE = 0x80
"""From here on opcodes are for anybody's own use; readers pass over them."""
_CHUNK = struct.Struct("<BQQQQII")  # opcode, length, first and last time, size, checksum, of a name
_ZSTD = struct.pack("<I", 4) + b"zstd"
_FRAME_HEAD_BYTES = 18  # of zstd, at most
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
    OverflowError,  # of lengths that no file has
    MemoryError,
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
        known = 0 < opcode < Opcode.DATA_END or opcode >= PRIVATE
        if not known or offset + HEAD_BYTES + length > size:
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
        check_zstd_size(data, chunk.uncompressed_size)
        data = zstandard.decompress(data, chunk.uncompressed_size)
    elif chunk.compression == "lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(data, MOST_CHUNK_BYTES)
    elif chunk.compression:
        raise ValueError(f"a chunk is compressed by {chunk.compression!r}, not by zstd or lz4")
    if len(data) != chunk.uncompressed_size:
        raise ValueError(f"a chunk has {len(data)} bytes, not {chunk.uncompressed_size}")
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise ValueError("a chunk has another checksum than was written")
    return data


def readable_chunk(record: Record) -> tuple[Chunk, ChunkContents] | None:
    """The chunk in a record and what it holds; None where it is damaged."""
    stream = record.stream()
    try:
        chunk = Chunk.read(stream)
        contents = chunk_contents(chunk_data(chunk))
    except DAMAGE:
        return None
    return (chunk, contents) if stream.count == len(record.content) else None


def next_chunk(file: IO[bytes], start: int) -> int | None:
    """Where the next readable chunk of zstd begins, behind bytes that make no sense."""
    if os.fstat(file.fileno()).st_size == 0:
        return None
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = start
        while (at := content.find(_ZSTD, at + 1)) >= 0:
            begin = at - _CHUNK.size + 4
            if begin < start + HEAD_BYTES or content[begin] != Opcode.CHUNK:
                continue
            record = next(whole_records(file, begin), None)
            if record is not None and readable_chunk(record) is not None:
                return begin
    return None


def chunk_offsets(file: IO[bytes]) -> list[int]:
    """Where the chunks begin, found without an index."""
    return [record.offset for record in whole_records(file) if record.opcode == Opcode.CHUNK]


def check_chunks(file: IO[bytes], offsets: Iterable[int]) -> None:
    """Raise one of DAMAGE where a chunk that begins at an offset is too large to unpack."""
    for offset in offsets:
        file.seek(offset)
        head = file.read(_CHUNK.size)
        _, _, _, _, told, _, name_bytes = _CHUNK.unpack(head)
        name, _ = file.read(min(name_bytes, 8)), file.read(8)
        if name == b"zstd":
            check_zstd_size(file.read(_FRAME_HEAD_BYTES), told)
        elif told > MOST_CHUNK_BYTES:
            raise ValueError(f"a chunk of {told} bytes, allowed: {MOST_CHUNK_BYTES}")


def check_zstd_size(frame: bytes, told: int) -> None:
    """Raise ValueError where a frame of zstd, or what is told of it, is too large to unpack.

    The beginning of the frame is enough.
    """
    size = zstandard.get_frame_parameters(frame).content_size
    if size == zstandard.CONTENTSIZE_UNKNOWN:
        size = 0  # then no more is unpacked than is told
    if max(told, size) > MOST_CHUNK_BYTES:
        raise ValueError(f"a chunk of {max(told, size)} bytes, allowed: {MOST_CHUNK_BYTES}")


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
        else:
            break  # nothing else is in chunks
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
    """The data of a torn chunk, as far as they can be unpacked and no more than a chunk may have;
    nothing for unknown packings."""
    if not chunk.compression:
        return chunk.data[:MOST_CHUNK_BYTES]
    unpackers: dict[str, Any] = {
        "zstd": zstandard.ZstdDecompressor().stream_reader(BytesIO(chunk.data)).read,
        "lz4": _Lz4Reader(chunk.data).read,
    }
    data, read = bytearray(), unpackers.get(chunk.compression, lambda _: b"")
    with suppress(
        zstandard.ZstdError, RuntimeError, EOFError
    ):  # up to there it is what was written
        while len(data) < MOST_CHUNK_BYTES and (piece := read(_PIECE_BYTES)):
            data += piece
    return bytes(data)


class _Lz4Reader:
    """Reads a frame that may be cut off, a piece at a time."""

    def __init__(self, data: bytes) -> None:
        self._unpacker = lz4.frame.LZ4FrameDecompressor()
        self._packed: bytes = data

    def read(self, size: int) -> bytes:
        """At most so many bytes; none where nothing more can be had."""
        packed, self._packed = self._packed, b""
        return bytes(self._unpacker.decompress(packed, max_length=size))


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
