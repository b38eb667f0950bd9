"""Bags: others' readers understand them, and damage does not go unnoticed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import POSE, definition_of, upright_pose_cdr
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.geometry import PlanarPose
from pushcell.recording.episode_steps import episode_files
from tests.recording.examples import some_info, some_steps

# As facts of the format: what rosbag2 0.26 refuses to do without.
METADATA_KEYS = {
    "version",
    "storage_identifier",
    "duration",
    "starting_time",
    "message_count",
    "topics_with_message_count",
    "compression_format",
    "compression_mode",
    "relative_file_paths",
    "files",
    "custom_data",
    "ros_distro",
}
QOS_KEYS = {
    "history",
    "depth",
    "reliability",
    "durability",
    "deadline",
    "lifespan",
    "liveliness",
    "liveliness_lease_duration",
    "avoid_ros_namespace_conventions",
}


@pytest.fixture
def episode(tmp_path: Path, cell: CellConfig) -> Path:
    steps = some_steps()
    for name, content in episode_files(steps, some_info(steps, cell), cell).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_metadata_is_that_of_rosbag2(episode: Path) -> None:
    whole = yaml.safe_load((episode / "metadata.yaml").read_text())
    information = whole["rosbag2_bagfile_information"]
    assert set(information) == METADATA_KEYS
    assert information["version"] == 9
    assert information["files"][0]["path"] == information["relative_file_paths"][0]
    counts = [topic["message_count"] for topic in information["topics_with_message_count"]]
    assert counts == [12] * 5
    assert information["message_count"] == sum(counts)
    for topic in information["topics_with_message_count"]:
        of_topic = topic["topic_metadata"]
        assert of_topic["type_description_hash"] == definition_of(of_topic["type"]).type_hash
        assert set(of_topic["offered_qos_profiles"][0]) == QOS_KEYS
    assert "&" not in (episode / "metadata.yaml").read_text()  # rosbag2 knows no anchors


def test_rosbags_reads_the_episode(episode: Path) -> None:
    steps = some_steps()
    with AnyReader([episode]) as reader:
        assert reader.message_count == 60
        images = [c for c in reader.connections if c.topic == "/camera/wrist/color/image_raw"]
        for k, (connection, stamp, raw) in enumerate(reader.messages(images)):
            message = reader.deserialize(raw, connection.msgtype)
            assert stamp == message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            assert message.data.tobytes() == steps.images["wrist"][k].tobytes()


def test_the_file_alone_is_a_bag_with_every_schema_and_zstd_chunks(episode: Path) -> None:
    with (episode / "episode.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert reader.get_header().profile == "ros2"
        (record,) = [r for r in reader.iter_metadata() if r.name == "rosbag2"]
    assert yaml.safe_load(record.metadata["serialized_metadata"])["message_count"] == 60
    assert {chunk.compression for chunk in summary.chunk_indexes} == {"zstd"}
    for channel in summary.channels.values():
        schema = summary.schemas[channel.schema_id]
        assert (schema.encoding, channel.message_encoding) == ("ros2msg", "cdr")
        assert channel.metadata["topic_type_hash"].startswith("RIHS01_")
    image = next(s for s in summary.schemas.values() if s.name == "sensor_msgs/msg/Image")
    assert f"\n{'=' * 80}\nMSG: std_msgs/Header\n" in image.data.decode()


def test_what_is_flushed_can_be_read_though_nothing_follows(tmp_path: Path) -> None:
    stream = io.BytesIO()
    bag = BagWriter(stream, [Topic("/a", POSE)])
    for k in range(3):
        bag.add("/a", k, upright_pose_cdr(k, PlanarPose(k, 0, 0), 0))
    bag.flush()
    bag.add("/a", 3, upright_pose_cdr(3, PlanarPose(3, 0, 0), 0))
    (tmp_path / "cut.mcap").write_bytes(stream.getvalue())
    with (tmp_path / "cut.mcap").open("rb") as file:
        seen = [m.log_time for _, _, m in _without_index(file)]
    assert seen == [0, 1, 2]
    with pytest.raises(EpisodeError, match=r"cut\.mcap is damaged"):
        BagReader(tmp_path / "cut.mcap")


def _without_index(file):
    from mcap.exceptions import EndOfFile
    from mcap.reader import NonSeekingReader

    try:
        yield from NonSeekingReader(file).iter_messages(log_time_order=False)
    except EndOfFile:
        return


def test_damage_is_found(episode: Path) -> None:
    path = episode / "episode.mcap"
    good = path.read_bytes()
    with BagReader(path) as bag:
        bag.verify()
    caught = 0
    for position in range(200, len(good), len(good) // 40):
        broken = bytearray(good)
        broken[position] ^= 0x10
        path.write_bytes(broken)
        if _reads_like(path, good, episode):
            continue  # in a byte of the index or the summary that nobody needs
        with pytest.raises(EpisodeError, match=r"episode\.mcap is damaged"), BagReader(path) as bag:
            bag.verify()
        caught += 1
    assert caught > 30
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(EpisodeError, match="damaged"):
        BagReader(path)


def _reads_like(path: Path, good: bytes, folder: Path) -> bool:
    """Whether the messages are all the same as those of the whole file."""
    whole = folder / "whole.mcap"
    whole.write_bytes(good)
    try:
        with BagReader(path) as a, BagReader(whole) as b:
            a.verify()
            return list(a.messages()) == list(b.messages())
    except EpisodeError:
        return False
