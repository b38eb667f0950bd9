"""What is damaged, missing or of elsewhere is recovered and counted, or refused with the reason."""

import numpy as np
import pytest
from mcap.opcode import Opcode

from benchmarks.synthetic_cell import START_NS, Heard
from pushcell.bags.mcap_bag import CUT_OFF, TORN_CHUNK
from pushcell.bags.mcap_records import whole_records
from pushcell.bags.messages import (
    IMAGE,
    POSE,
    from_cdr,
    message_class,
    to_cdr,
    tool_pose_cdr,
)
from pushcell.errors import EpisodeError
from pushcell.geometry import PlanarPose
from pushcell.recording.streams import IMAGE_TOPIC, PUSHER_TOPIC
from pushcell.replay.open_recording import find_recordings
from pushcell.replay.recording import Recording
from pushcell.replay.samples import SampleReader
from tests.replay.examples import heard, write_bag, write_episode


def read(path, cell, wanted=("pusher", "camera overhead")):
    with Recording(path, cell) as recording:
        reader = SampleReader(recording)
        samples = list(reader.samples(wanted))
        return samples, reader, recording


def test_all_is_read_in_order(cell, tmp_path):
    path = write_bag(tmp_path / "whole.mcap", heard(cell))
    samples, reader, recording = read(path, cell)
    assert reader.counts == {"pusher": 300, "camera overhead": 60}
    assert reader.left_out + recording.left_out == {}
    arrivals = [sample.arrival_ns for sample in samples]
    assert arrivals == sorted(arrivals)
    with Recording(path, cell) as recording:
        by_capture = list(SampleReader(recording).samples({"pusher", "camera overhead"}, True))
    stamps = [sample.stamp_ns for sample in by_capture]
    assert stamps == sorted(stamps)
    assert stamps != arrivals


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_a_file_that_was_cut_off_is_read_up_to_there(cell, tmp_path, share):
    path = write_bag(tmp_path / "cut.mcap", heard(cell))
    whole, *_ = read(path, cell)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    samples, _, recording = read(path, cell)
    assert recording.left_out["index"] == 1
    assert (recording.left_out[CUT_OFF] > 0) != (recording.left_out[TORN_CHUNK] == 1)
    assert 0.5 * share < len(samples) / len(whole) < 1
    pushers = [s for s in samples if s.what == "pusher"]
    expected = [s for s in whole if s.what == "pusher"][: len(pushers)]
    assert [s.stamp_ns for s in pushers] == [s.stamp_ns for s in expected]


def test_a_missing_index_costs_nothing_else(cell, tmp_path):
    path = write_bag(tmp_path / "no_index.mcap", heard(cell))
    whole, *_ = read(path, cell)
    with path.open("rb") as file:
        end = max(record.end for record in whole_records(file))
    path.write_bytes(path.read_bytes()[:end])
    samples, _, recording = read(path, cell)
    assert recording.left_out == {"index": 1}
    assert [s.stamp_ns for s in samples] == [s.stamp_ns for s in whole]


def test_a_damaged_chunk_is_left_out_and_counted(cell, tmp_path):
    path = write_bag(tmp_path / "damaged.mcap", heard(cell))
    whole, *_ = read(path, cell)
    with path.open("rb") as file:
        chunks = [record for record in whole_records(file) if record.opcode == Opcode.CHUNK]
    middle = chunks[len(chunks) // 2]
    data = bytearray(path.read_bytes())
    data[(middle.offset + middle.end) // 2] ^= 0xFF
    path.write_bytes(data)
    samples, _, recording = read(path, cell)
    assert recording.left_out == {"chunks with a wrong checksum or length": 1}
    assert 0 < len(samples) < len(whole)


def test_what_is_no_bag_is_refused(cell, tmp_path):
    (tmp_path / "text.mcap").write_text("this is no bag, but it is long enough for one")
    with pytest.raises(EpisodeError, match="does not begin as an MCAP file"):
        Recording(tmp_path / "text.mcap", cell)
    (tmp_path / "text.db3").write_text("nor is this")
    with pytest.raises(EpisodeError, match=r"text.db3 is no bag that can be read"):
        Recording(tmp_path / "text.db3", cell)
    (tmp_path / "note.txt").write_text("")
    with pytest.raises(EpisodeError, match=r"known are .mcap, .db3"):
        Recording(tmp_path / "note.txt", cell)
    with pytest.raises(EpisodeError, match="there is no"):
        find_recordings(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EpisodeError, match="neither an episode nor a bag"):
        find_recordings(tmp_path / "empty")


def test_a_clock_that_goes_back_is_counted(cell, tmp_path):
    messages = heard(cell, 2.0)
    late = [
        Heard(PUSHER_TOPIC, START_NS + 2 * 10**9 + k * 10**7,
              tool_pose_cdr(START_NS + k * 10**7, PlanarPose(0.5, 0, 0.5), 0.01))
        for k in range(7)
    ]  # fmt: skip
    jumped = Heard(PUSHER_TOPIC, START_NS - 10**10,
                   tool_pose_cdr(START_NS + 10**10, PlanarPose(0.5, 0, 0.5), 0.01))  # fmt: skip
    path = write_bag(tmp_path / "back.mcap", [*messages, *late])
    _, reader, _ = read(path, cell)
    assert reader.left_out == {"pusher: stamps that go back in time, or stand still": 7}
    assert reader.counts["pusher"] == 100
    path = write_bag(tmp_path / "jump.mcap", [*messages, jumped])
    _, reader, _ = read(path, cell)
    assert sum(reader.left_out.values()) > 0


def test_an_unknown_encoding_is_counted_with_its_name(cell, tmp_path):
    messages = heard(cell, 1.0)
    strange = []
    for message in messages:
        if message.topic == IMAGE_TOPIC.format("overhead"):
            image = from_cdr(message.cdr, IMAGE)
            fields = (image.header, image.height, image.width, "bayer_rggb16", 0, image.step)
            cdr = to_cdr(message_class(IMAGE)(*fields, image.data), IMAGE)
            message = message._replace(cdr=cdr)
        strange.append(message)
    path = write_bag(tmp_path / "bayer.mcap", strange)
    _, reader, _ = read(path, cell)
    ((why, count),) = reader.left_out.items()
    assert count == 10
    assert "'bayer_rggb16'; those read are rgb8, bgr8" in why


def test_bytes_that_are_no_message_are_counted(cell, tmp_path):
    messages = heard(cell, 1.0)
    torn = [m._replace(cdr=m.cdr[:9]) if k % 2 and m.topic == PUSHER_TOPIC else m
            for k, m in enumerate(messages)]  # fmt: skip
    damaged = sum(len(m.cdr) == 9 for m in torn)
    _, reader, _ = read(write_bag(tmp_path / "torn.mcap", torn), cell)
    assert sum(reader.left_out.values()) == damaged > 0
    assert all("geometry_msgs/msg/PoseStamped" in why for why in reader.left_out)


def test_an_episode_of_another_cell_is_refused_with_both_values(cell, tmp_path):
    goal = (0.6, 0.0, 0.0)
    task = cell.task.model_dump() | {"goal": goal}
    path = write_episode(tmp_path / "other", cell, heard(cell, 1.0), task=task)
    with pytest.raises(EpisodeError, match=r"task.goal is \(0.6, 0.0, 0.0\) there, \(0.587"):
        Recording(path, cell)
    camera = cell.cameras[0].model_copy(update={"fx_px": 200.0})
    path = write_episode(
        tmp_path / "moved", cell, heard(cell, 1.0), origin="recorded", cameras=[camera]
    )
    with pytest.raises(EpisodeError, match=r"camera overhead: fx_px is 200.0 there, 308.35 in"):
        Recording(path, cell)


def test_poses_that_are_not_finite_are_passed_on_for_the_policy_to_refuse(cell, tmp_path):
    def spoilt(message: Heard) -> Heard:
        pose = from_cdr(message.cdr, POSE)
        point = message_class("geometry_msgs/msg/Point")(np.nan, 0.1, 0.0)
        spoilt = message_class("geometry_msgs/msg/Pose")(point, pose.pose.orientation)
        return message._replace(cdr=to_cdr(message_class(POSE)(pose.header, spoilt), POSE))

    messages = [
        spoilt(m) if m.topic == PUSHER_TOPIC and k % 5 == 0 else m
        for k, m in enumerate(heard(cell, 2.0))
    ]
    samples, _, _ = read(write_bag(tmp_path / "nan.mcap", messages), cell)
    values = np.array([s.value for s in samples if s.what == "pusher"])
    assert 0 < np.isnan(values).any(axis=1).sum() < len(values) == 100
