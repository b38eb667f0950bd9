"""Whatever comes on a recorded topic: it is kept, told, and ends no recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_cell import START_NS, Heard, live, recording_cell
from pushcell.bags.messages import (
    POSE,
    image_cdr,
    message_class,
    to_cdr,
    upright_pose_cdr,
)
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.geometry import PlanarPose
from pushcell.node_states import LastEpisode
from pushcell.recording.episode_steps import read_steps
from pushcell.recording.streams import IMAGE_TOPIC, streams_of
from tests.recording.rig import Rig, by_topic, messages_of

S = 10**9
POSES = ("/pusher/pose", "/motion/target")


def recorded(rig: Rig, messages: list[Heard]) -> tuple[list[tuple[str, int, bytes]], LastEpisode]:
    """What is in the bag, and the recorder's word on it."""
    assert rig.recorder.start() is None
    rig.hear(messages)
    rig.recorder.state().text()
    rig.recorder.stop("success", "")
    state = rig.wait_for("idle", "failed")
    assert state.state == "idle", state.problem
    (episode,) = rig.recorder.store.episodes()
    return messages_of(episode), state.last


@pytest.mark.parametrize("images", ["lossless", "jpeg"])
@pytest.mark.parametrize("length", [0, 1, 3, 11, 40])
def test_random_bytes_on_any_topic_are_kept_and_told(
    cell: CellConfig, tmp_path: Path, images: str, length: int
) -> None:
    recording = recording_cell(cell, images=images)
    topics = [stream.topic for stream in streams_of(recording)]
    rng = np.random.default_rng(length)
    sent = []
    for number in range(100):
        topic = topics[number % len(topics)]
        sent.append(Heard(topic, START_NS + number * S // 100, rng.bytes(length)))
    found, last = recorded(Rig(recording, tmp_path), sent)
    kept = [message for message in sent if images == "lossless" or "image" not in message.topic]
    assert by_topic(found) == by_topic([tuple(message[:3]) for message in kept])
    assert last.verdict == "reject"
    for topic in ("/joint_states", "/motion/state", IMAGE_TOPIC.format("wrist")):
        assert any(topic in reason and "judged" in reason for reason in last.reasons), topic


def nan_pose(stamp_ns: int) -> bytes:
    stamp = message_class("builtin_interfaces/msg/Time")(*divmod(stamp_ns, S))
    header = message_class("std_msgs/msg/Header")(stamp, "base")
    point = message_class("geometry_msgs/msg/Point")(float("nan"), float("inf"), 0.0)
    quaternion = message_class("geometry_msgs/msg/Quaternion")(0.0, 0.0, 0.0, 0.0)
    pose = message_class("geometry_msgs/msg/Pose")(point, quaternion)
    return to_cdr(message_class(POSE)(header, pose), POSE)


@pytest.mark.parametrize("images", ["lossless", "jpeg"])
def test_messages_without_sense_among_good_ones(
    cell: CellConfig, tmp_path: Path, images: str
) -> None:
    good = list(live(cell, 2.0))
    middle_ns = good[len(good) // 2].log_ns
    empty = image_cdr(middle_ns, "f", np.zeros((0, 0, 3), np.uint8))
    odd = [Heard(IMAGE_TOPIC.format("overhead"), middle_ns, empty)]
    for number in range(20):
        at_ns = middle_ns + number * S // 20
        odd += [Heard(topic, at_ns, nan_pose(at_ns)) for topic in POSES]
    good = [m for m in good if m.topic not in POSES or m.log_ns < middle_ns]
    sent = sorted([*good, *odd], key=lambda message: message.log_ns)
    found, last = recorded(Rig(recording_cell(cell, images=images), tmp_path), sent)
    assert len(found) == len(sent) - (images == "jpeg")
    assert last.verdict == "reject"
    for topic in POSES:
        assert any(topic in reason and "judged" in reason for reason in last.reasons), topic


def test_learners_are_told_of_a_message_that_cannot_be_read(
    cell: CellConfig, tmp_path: Path
) -> None:
    rig = Rig(recording_cell(cell), tmp_path)
    good = list(live(cell, 2.0))
    recorded(rig, [*good, Heard("/pusher/pose", good[-1].log_ns, b"torn")])
    with pytest.raises(EpisodeError, match="/pusher/pose: 4 bytes are no message with a header"):
        read_steps(rig.recorder.store.episodes()[0])


def test_stamps_that_are_years_apart_make_no_steps(cell: CellConfig, tmp_path: Path) -> None:
    rig = Rig(recording_cell(cell), tmp_path)
    good = list(live(cell, 1.0))
    end_ns, late_ns = good[-1].log_ns, 2**31 * S - S
    pose = upright_pose_cdr(late_ns, PlanarPose(0.5, 0.0, 0.0), 0.0)
    picture = image_cdr(late_ns, "f", np.zeros((24, 32, 3), np.uint8))
    late = [Heard(topic, end_ns, pose) for topic in (*POSES, "/slider/true_pose")]
    late += [Heard(IMAGE_TOPIC.format(c.name), end_ns, picture) for c in cell.cameras]
    recorded(rig, [*good, *late])
    with pytest.raises(EpisodeError, match="its stamps are days apart"):
        read_steps(rig.recorder.store.episodes()[0])
