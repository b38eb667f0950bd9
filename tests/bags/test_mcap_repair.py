"""Files whose writing was cut off: what is whole in them is kept, whatever byte was the last."""

from __future__ import annotations

import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mcap.opcode import Opcode
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Chunk

from pushcell.bags.bag_reader import BagMessage, BagReader
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.mcap_records import HEAD_BYTES, Record, record_bytes, whole_records
from pushcell.bags.mcap_repair import repair
from pushcell.bags.messages import POSE, upright_pose_cdr
from pushcell.errors import EpisodeError
from pushcell.geometry import PlanarPose

CHUNK_BYTES = 3000
RNG = np.random.default_rng(0)
MESSAGES = [
    BagMessage(f"/{'ab'[k % 2]}", k, upright_pose_cdr(k, PlanarPose(*RNG.random(3)), 0), k)
    for k in range(200)
]


def written() -> bytes:
    stream = io.BytesIO()
    bag = BagWriter(stream, [Topic("/a", POSE), Topic("/b", POSE)], CHUNK_BYTES)
    for message in MESSAGES:
        bag.add(message.topic, message.log_ns, message.cdr)
    bag.close("cut.mcap")
    return stream.getvalue()


WHOLE = written()
IN_A_CHUNK = CHUNK_BYTES // 100  # about so many messages


def kept(path: Path) -> list[BagMessage]:
    with BagReader(path) as bag:
        bag.verify()
        return list(bag.messages())


@settings(max_examples=60)
@given(length=st.integers(8, len(WHOLE)))
@example(length=8)
@example(length=len(WHOLE))
def test_every_whole_message_before_the_cut_is_kept(
    length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "cut.mcap"
    path.write_bytes(WHOLE[:length])
    repaired = repair(path)
    found = kept(path)
    assert found == MESSAGES[: len(found)]
    assert repaired.messages == len(found)
    # In proportion to the length but for what waits for the rest of its chunk's compression.
    assert len(found) >= len(MESSAGES) * length / len(WHOLE) - 3 * IN_A_CHUNK
    again = path.read_bytes()
    repair(path)
    assert path.read_bytes() == again


def test_a_torn_chunk_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    stream = io.BytesIO()
    bag = BagWriter(stream, [Topic("/a", POSE)], 2**30)
    rng = np.random.default_rng(1)
    for k in range(10_000):
        bag.add("/a", k, upright_pose_cdr(k, PlanarPose(*rng.random(3)), 0))
    bag.flush()
    path = tmp_path / "cut.mcap"
    path.write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    assert 3000 < repair(path).messages < 7000
    assert len(kept(path)) == repair(path).messages
    path.write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    assert repair(path, keep_torn=False).messages == 0


def test_a_damaged_chunk_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mcap"
    broken = bytearray(WHOLE)
    broken[len(WHOLE) // 3] ^= 0xFF
    path.write_bytes(broken)
    repaired = repair(path)
    assert repaired.damaged_chunks == 1
    found = kept(path)
    assert len(MESSAGES) - 2 * IN_A_CHUNK <= len(found) < len(MESSAGES)
    assert {message.cdr for message in found} < {message.cdr for message in MESSAGES}
    assert sum(message.lost for message in found) == len(MESSAGES) - len(found)
    with path.open("rb") as file:
        assert sum(1 for _ in make_reader(file).iter_messages()) == len(found)


def records() -> list[Record]:
    with tempfile.TemporaryFile() as file:
        file.write(WHOLE)
        return list(whole_records(file))


RECORDS = records()
INDEX_BYTES = [
    place
    for record in RECORDS
    if record.opcode == Opcode.MESSAGE_INDEX
    for place in range(record.offset, record.end)
]
HEADS = [
    place
    for record in RECORDS[4:]
    if record.opcode == Opcode.CHUNK
    for place in range(record.offset, record.offset + HEAD_BYTES)
]


def with_wrong_bit(place: int, bit: int, folder: Path) -> Path:
    """A copy of the whole file in which one bit is wrong."""
    path = folder / "bit.mcap"
    broken = bytearray(WHOLE)
    broken[place] ^= 1 << bit
    path.write_bytes(broken)
    return path


@settings(max_examples=60)
@given(place=st.sampled_from(INDEX_BYTES), bit=st.integers(0, 7))
def test_a_wrong_bit_of_a_message_index_costs_nothing(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = with_wrong_bit(place, bit, tmp_path_factory.mktemp("bit"))
    assert repair(path).messages == len(MESSAGES)
    assert kept(path) == MESSAGES


@settings(max_examples=40)
@given(place=st.sampled_from(HEADS), bit=st.integers(0, 7))
def test_a_wrong_bit_of_a_chunks_head_costs_only_the_chunk(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = with_wrong_bit(place, bit, tmp_path_factory.mktemp("bit"))
    repair(path)
    found = {message.cdr for message in kept(path)}
    assert len(found) >= len(MESSAGES) - 2 * IN_A_CHUNK
    with path.open("rb") as file:
        in_line = {message.data for _, _, message in NonSeekingReader(file).iter_messages()}
    assert in_line == found


def bomb() -> Chunk:
    """A chunk of a gigabyte of nothing, in a few bytes."""
    packer = zstandard.ZstdCompressor().compressobj(size=1 << 30)
    nothing = bytes(1 << 20)
    data = b"".join(packer.compress(nothing) for _ in range(1 << 10)) + packer.flush()
    return Chunk("zstd", data, 300, 300, 0, 1 << 30)


BOMB = bomb()


@pytest.mark.parametrize("told", [1 << 30, 1000])
@pytest.mark.parametrize("torn", [False, True])
def test_a_chunk_that_unpacks_to_a_gigabyte_is_left_out(
    tmp_path: Path, told: int, torn: bool
) -> None:
    end = next(r.offset for r in RECORDS if r.opcode == Opcode.METADATA)
    chunk = record_bytes(replace(BOMB, uncompressed_size=told))
    path = tmp_path / "bomb.mcap"
    path.write_bytes(WHOLE[:end] + (chunk[:-5] if torn else chunk))
    began_s = time.process_time()
    assert repair(path).messages == len(MESSAGES)
    assert time.process_time() - began_s < 2.0
    assert kept(path) == MESSAGES


@pytest.mark.parametrize("told", [1 << 30, 1000])
def test_a_whole_bag_with_such_a_chunk_is_refused(tmp_path: Path, told: int) -> None:
    path = tmp_path / "bomb.mcap"
    path.write_bytes(WHOLE)
    with path.open("r+b") as file:
        index = make_reader(file).get_summary().chunk_indexes[1]
        file.seek(index.chunk_start_offset)
        head = record_bytes(replace(BOMB, uncompressed_size=told))
        file.write(head[: index.chunk_length])
    with (
        BagReader(path) as bag,
        pytest.raises(EpisodeError, match=r"a chunk of 1073741824 bytes, allowed: 67108864"),
    ):
        list(bag.messages())


def test_a_damaged_message_index_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "cut.mcap"
    data = bytearray(WHOLE[: int(0.8 * len(WHOLE))])
    path.write_bytes(data)
    with path.open("rb") as file:
        indexes = [r for r in whole_records(file) if r.opcode == Opcode.MESSAGE_INDEX]
    for record in (indexes[1], indexes[-1]):
        data[record.offset + 13] = 0xFF  # the length of its array
    path.write_bytes(data)
    repaired = repair(path)
    found = kept(path)
    assert found == MESSAGES[: len(found)]
    assert repaired.messages == len(found) > 100
    with path.open("rb") as file:
        again = [r.content for r in whole_records(file) if r.opcode == Opcode.MESSAGE_INDEX]
    assert again[1] == WHOLE[indexes[1].offset + 9 : indexes[1].end]


def test_what_was_never_a_bag_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_bytes(b"something else")
    with pytest.raises(EpisodeError, match="does not begin as an MCAP file"):
        repair(path)
    assert path.read_bytes() == b"something else"
