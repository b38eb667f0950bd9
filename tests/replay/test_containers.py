"""Bags as people have them: split, cut off, unchunked, compressed, of other schemas."""

import shutil
import tracemalloc

import numpy as np
import pytest
import zstandard
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from pushcell.bags.messages import IMAGE, POSE
from pushcell.errors import EpisodeError
from pushcell.replay.open_recording import find_recordings, open_bag
from pushcell.replay.recording import Recording
from pushcell.replay.samples import SampleReader

START_NS, PERIOD_NS = 1_650_000_000 * 10**9, 50_000_000
STORE = get_typestore(Stores.ROS2_JAZZY)
COUNT = 40
MAPPING = "pusher: {topic: /hand}\ncameras: {overhead: {topic: /eye}}\nframes: {table: {}}\n"


def messages(count=COUNT, size=(24, 32)):
    """(topic, type, time of recording, bytes) of a hand and a camera."""
    types, rng = STORE.types, np.random.default_rng(4)
    for k in range(count):
        stamp_ns = START_NS + k * PERIOD_NS
        time = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
        header = types["std_msgs/msg/Header"](time, "table")
        point = types["geometry_msgs/msg/Point"](0.5 + 0.001 * k, 0.1, 0.0)
        turn = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
        pose = types[POSE](header, types["geometry_msgs/msg/Pose"](point, turn))
        yield "/hand", POSE, stamp_ns + 10**6, bytes(STORE.serialize_cdr(pose, POSE))
        data = rng.integers(0, 256, size[0] * size[1] * 3, np.uint8)
        image = types[IMAGE](header, *size, "rgb8", 0, 3 * size[1], data)
        yield "/eye", IMAGE, stamp_ns + 2 * 10**6, bytes(STORE.serialize_cdr(image, IMAGE))


def write_folder(path, storage="mcap", compressed=False, some=None):
    """A bag as rosbag2 leaves it."""
    plugin = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}[storage]
    writer = Writer(path, version=9, storage_plugin=plugin)
    if compressed:
        writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer:
        known = {}
        for topic, kind, log_ns, cdr in messages() if some is None else some:
            known.setdefault(topic, None)
            known[topic] = known[topic] or writer.add_connection(topic, kind, typestore=STORE)
            writer.write(known[topic], log_ns, cdr)
    return path


def write_mcap(path, some=None, name=lambda kind: kind, schema=None, encoding="cdr", **options):
    """One MCAP file by mcap's own writer."""
    with path.open("wb") as file:
        writer = McapWriter(file, **{"compression": CompressionType.NONE, **options})
        writer.start("ros2", "a test")
        channels = {}
        for topic, kind, log_ns, cdr in messages() if some is None else some:
            if topic not in channels:
                text = STORE.generate_msgdef(kind, ros_version=2)[0]
                language, text = schema or ("ros2msg", text)
                number = writer.register_schema(name(kind), language, text.encode())
                channels[topic] = writer.register_channel(topic, encoding, number)
            writer.add_message(channels[topic], log_ns, cdr, log_ns)
        writer.finish()
    return path


def read(path, cell, tmp_path, mapping=MAPPING):
    file = tmp_path / "mapping.yaml"
    file.write_text(mapping)
    with Recording(path, cell, file) as recording:
        reader = SampleReader(recording)
        samples = list(reader.samples(recording.map.named))
        return samples, reader.left_out + recording.left_out


def poses(samples):
    return [s.value[0] for s in samples if s.what == "pusher"]


ALL = pytest.approx([0.5 + 0.001 * k for k in range(COUNT)])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_messages_that_are_compressed_one_by_one(cell, tmp_path, storage):
    samples, left_out = read(write_folder(tmp_path / "bag", storage, True), cell, tmp_path)
    assert poses(samples) == ALL
    assert not left_out


def test_messages_that_are_not_compressed_though_it_is_said(cell, tmp_path):
    path = write_folder(tmp_path / "bag")
    notes = path / "metadata.yaml"
    text = notes.read_text().replace("compression_mode: ''", "compression_mode: MESSAGE")
    notes.write_text(text)
    assert "MESSAGE" in text
    samples, left_out = read(path, cell, tmp_path)
    assert not samples
    ((why, count),) = left_out.items()
    assert "not compressed by zstd" in why
    assert count == 2 * COUNT


def test_files_without_chunks_are_read_flat(cell, tmp_path):
    some = list(messages(100, (400, 500)))
    path = write_mcap(tmp_path / "plain.mcap", some, use_chunking=False)
    bag = open_bag(path)
    tracemalloc.start()
    try:
        read_poses = sum(1 for _ in bag.messages({"/hand"}))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        bag.close()
    assert read_poses == 100
    # A few stretches are read ahead, however long the file is.
    assert peak < 0.5 * path.stat().st_size, "the file is never all in memory"
    samples, left_out = read(path, cell, tmp_path)
    assert len(samples) == 200
    assert not left_out


@pytest.mark.parametrize("compression", CompressionType)
def test_a_torn_chunk_is_read_up_to_its_last_whole_message(cell, tmp_path, compression):
    some = list(messages(size=(100, 120)))
    path = write_mcap(tmp_path / "cut.mcap", some, compression=compression, chunk_size=1 << 30)
    with path.open("rb") as file:
        (chunk,) = make_reader(file).get_summary().chunk_indexes
    data = path.read_bytes()
    path.write_bytes(data[: chunk.chunk_start_offset + chunk.chunk_length // 2])
    samples, left_out = read(path, cell, tmp_path)
    assert 0.35 * COUNT < len(poses(samples)) < 0.6 * COUNT
    assert left_out["index"] == 1


def test_of_a_chunk_without_a_checksum_what_makes_no_sense_is_counted(cell, tmp_path):
    path = tmp_path / "bag.mcap"
    plain = {"compression": CompressionType.NONE, "enable_crcs": False, "chunk_size": 10**8}
    write_mcap(path, **plain)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = b"\xff" * 5000
    path.write_bytes(content)
    samples, left_out = read(path, cell, tmp_path)
    assert 0.4 * COUNT < len(poses(samples)) < 0.6 * COUNT
    assert left_out["chunks with a wrong checksum or length"] == 1


def parts(folder, count=3):
    """One recording in several files, without metadata.yaml."""
    folder.mkdir()
    some = list(messages())
    size = len(some) // count + 1
    for k in range(count):
        write_mcap(folder / f"{folder.name}_{k}.mcap", some[k * size : (k + 1) * size])
    return folder


def test_a_split_bag_is_one_recording_with_metadata_or_without(cell, tmp_path):
    folder = parts(tmp_path / "run")
    assert find_recordings(folder) == [folder]
    samples, left_out = read(folder, cell, tmp_path)
    assert poses(samples) == ALL
    assert not left_out
    apart = shutil.copytree(folder, tmp_path / "others")
    assert len(find_recordings(apart)) == 3, "files of another name are recordings of their own"


def test_parts_of_a_recording_stay_together_in_a_folder_of_another_name(tmp_path):
    everything = list(messages())
    folder = tmp_path / "push to the left"
    folder.mkdir()
    for part in range(2):
        some = everything[part * COUNT : (part + 1) * COUNT]
        write_mcap(folder / f"rosbag2_2026_11_20-18_20_31_{part}.mcap", some)
    assert find_recordings(folder) == [folder]
    bag = open_bag(folder)
    assert sum(1 for _ in bag.messages(["/hand"])) == COUNT
    bag.close()
    files = sorted(folder.iterdir())
    renamed = [file.rename(folder / f"try_{k}.mcap") for k, file in enumerate(files)]
    assert find_recordings(folder) == renamed, "they may be of different runs"


def test_of_a_damaged_part_what_is_whole_is_read(cell, tmp_path):
    folder = parts(tmp_path / "run")
    names = "".join(f"  - run_{k}.mcap\n" for k in range(4))
    (folder / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information:\n  version: 5\n  relative_file_paths:\n{names}"
    )
    last = folder / "run_2.mcap"
    last.write_bytes(last.read_bytes()[:20_000])
    (folder / "run_1.mcap").write_bytes(b"nothing")
    samples, left_out = read(folder, cell, tmp_path)
    assert 14 < len(poses(samples)) < COUNT - 13
    assert left_out["file run_3.mcap, which metadata.yaml names: it is not there"] == 1
    assert any("run_1.mcap does not begin as an MCAP file" in why for why in left_out)


def test_schemas_without_msg_in_their_names(cell, tmp_path):
    short = lambda kind: kind.replace("/msg/", "/")  # noqa: E731
    samples, left_out = read(write_mcap(tmp_path / "short.mcap", name=short), cell, tmp_path)
    assert poses(samples) == ALL
    assert not left_out


def test_schemas_in_idl(cell, tmp_path):
    rule = "=" * 80
    text = f"""{rule}
IDL: plant_msgs/msg/Spot
#include "geometry_msgs/msg/Point.idl"
module plant_msgs {{ module msg {{ struct Spot {{
  geometry_msgs::msg::Point at; double turn;
}}; }}; }};
{rule}
IDL: geometry_msgs/msg/Point
module geometry_msgs {{ module msg {{ struct Point {{ double x; double y; double z; }}; }}; }};
"""
    values = [np.array([0.5 + 0.001 * k, 0.1, 0.0, 0.3]) for k in range(COUNT)]
    some = [
        ("/hand", POSE, START_NS + k * PERIOD_NS, b"\0\1\0\0" + value.tobytes())
        for k, value in enumerate(values)
    ]
    path = tmp_path / "idl.mcap"
    write_mcap(path, some, lambda _: "plant_msgs/msg/Spot", ("ros2idl", text))
    mapping = "pusher: {topic: /hand, fields: [at.x, at.y, turn]}\n"
    samples, left_out = read(path, cell, tmp_path, mapping)
    assert poses(samples) == ALL
    assert not left_out


def test_files_that_are_compressed_as_a_whole(cell, tmp_path):
    path = write_folder(tmp_path / "bag", "sqlite3")
    (file,) = path.glob("*.db3")
    (path / f"{file.name}.zstd").write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()
    notes = path / "metadata.yaml"
    text = notes.read_text().replace(file.name, f"{file.name}.zstd")
    text = text.replace("compression_mode: ''", "compression_mode: FILE")
    notes.write_text(text.replace("compression_format: ''", "compression_format: zstd"))
    samples, _ = read(path, cell, tmp_path)
    assert poses(samples) == ALL
    notes.unlink()
    with pytest.raises(EpisodeError, match=r"no metadata.yaml, and its files are compressed"):
        open_bag(path)


def test_storage_that_metadata_do_not_name(cell, tmp_path):
    path = write_folder(tmp_path / "bag")
    notes = path / "metadata.yaml"
    notes.write_text(
        notes.read_text().replace("storage_identifier: mcap", "storage_identifier: ''")
    )
    assert poses(read(path, cell, tmp_path)[0]) == ALL


def test_ros_1_is_named(cell, tmp_path):
    path = write_mcap(tmp_path / "one.mcap", encoding="ros1", schema=("ros1msg", "int32 x\n"))
    with pytest.raises(EpisodeError, match="is of ROS 1: convert the bag with `rosbags-convert`"):
        Recording(path, cell)
    (tmp_path / "one.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(EpisodeError, match="is of ROS 1"):
        Recording(tmp_path / "one.bag", cell)


def test_a_summary_need_not_repeat_channels_and_schemas(tmp_path):
    path = write_mcap(tmp_path / "a.mcap", repeat_channels=False, repeat_schemas=False)
    bag = open_bag(path)
    assert set(bag.topics) == {"/hand", "/eye"}
    assert sum(1 for _ in bag.messages(bag.topics)) == 2 * COUNT
    assert not bag.left_out
    bag.close()
