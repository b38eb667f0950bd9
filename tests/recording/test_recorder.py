"""Recordings from start to verdict: what was heard is kept, whole and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from benchmarks.synthetic_cell import START_NS, Heard, recording_cell
from pushcell.bags.messages import (
    STRING,
    compressed_image_of,
    image_of,
    message_class,
    to_cdr,
)
from pushcell.config.cell import CellConfig
from pushcell.node_states import LastEpisode
from pushcell.recording.control_log import PolicyIdentity
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_steps
from pushcell.recording.store import BAG_FILE, EpisodeStore
from pushcell.recording.streams import IMAGE_TOPIC, POLICY_TOPIC
from tests.recording.rig import SECONDS, Rig, S, by_topic, messages_of


def test_an_episode_holds_what_was_heard(rig: Rig, heard: list[Heard]) -> None:
    assert rig.recorder.start() is None
    assert "cannot begin while the recorder is recording" in str(rig.recorder.start())
    rig.hear(heard)
    name = rig.recorder.state().episode
    assert rig.recorder.stop("success", "the operator said success") is None
    state = rig.wait_for("idle")
    assert state.last == LastEpisode(episode=name, verdict="accept", reasons=(), operator="success")
    (episode,) = rig.recorder.store.episodes()
    assert sorted(p.name for p in episode.iterdir()) == [
        "episode.mcap",
        "episode.yaml",
        "metadata.yaml",
    ]
    assert by_topic(messages_of(episode)) == by_topic([tuple(m) for m in heard])
    info = EpisodeInfo.load(episode)
    assert (info.verdict, info.usable, info.recovered) == ("success", True, False)
    assert [span.source for span in info.driven] == ["teleop"]
    events = [entry["event"] for entry in rig.recorder.store.journal.entries()]
    assert events == ["begun", "complete"]
    with AnyReader([episode]) as reader:
        assert reader.message_count == len(heard)
    with (episode / BAG_FILE).open("rb") as file:
        summary = make_reader(file).get_summary()
        assert {chunk.compression for chunk in summary.chunk_indexes} == {"zstd"}


def test_learners_read_what_was_recorded(rig: Rig, heard: list[Heard]) -> None:
    rig.recorder.start()
    rig.hear(heard)
    rig.recorder.stop("success", "")
    rig.recorder.close()
    (episode,) = rig.recorder.store.episodes()
    steps = read_steps(episode)
    assert len(steps) == pytest.approx(SECONDS * 10, abs=2)
    assert np.ptp(steps.pusher[:, 0]) == pytest.approx(0.04 * SECONDS / 2, abs=0.05)
    assert steps.images["wrist"].shape[1:] == (24, 32, 3)


def test_a_clock_that_is_set_back_costs_no_message_and_is_named(
    rig: Rig, heard: list[Heard]
) -> None:
    back_ns, middle = 10 * S, len(heard) // 2
    rig.recorder.start()
    rig.hear(heard[:middle])
    rig.now_ns -= back_ns
    for number, message in enumerate(heard[middle:]):
        # The first ones were heard before, and wait to be taken.
        log_ns = message.log_ns if number < 20 else message.log_ns - back_ns
        rig.now_ns = message.log_ns - back_ns
        rig.recorder.on_message(message.topic, log_ns, message.cdr)
    rig.recorder.state().text()
    rig.recorder.stop("success", "")
    rig.recorder.close()
    (episode,) = rig.recorder.store.episodes()
    found, sent = by_topic(messages_of(episode)), by_topic([tuple(m) for m in heard])
    for topic, messages in sent.items():
        assert [m[2] for m in found[topic]] == [m[2] for m in messages]
        times = np.array([[m[1] for m in found[topic]], [m[1] for m in messages]])
        assert np.abs(times[0] - times[1]).max() < 0.02 * S
    quality = EpisodeInfo.load(episode).quality
    assert quality.verdict == "reject"
    assert quality.reasons == (
        "the clock was set back by 10.0 s meanwhile: set clocks before recording",
    )
    assert quality.duration_s == pytest.approx(SECONDS, abs=0.1)
    rig.now_ns = heard[-1].log_ns - back_ns
    assert rig.recorder.start() is None
    rig.hear([m._replace(log_ns=m.log_ns - back_ns + 5 * S) for m in heard])
    rig.recorder.close()
    assert len(messages_of(rig.recorder.store.episodes()[1])) == len(heard)


def test_an_episode_says_what_was_beyond_its_bounds(
    cell: CellConfig, tmp_path: Path, heard: list[Heard]
) -> None:
    unsafe = cell.model_dump() | {"allow_unsafe": ["motion.following_error_rad"]}
    unsafe["motion"]["following_error_rad"] = 1.0
    rig = Rig(recording_cell(CellConfig.model_validate(unsafe)), tmp_path)
    rig.recorder.start()
    rig.hear(heard)
    rig.recorder.close()
    (episode,) = rig.recorder.store.episodes()
    assert EpisodeInfo.load(episode).allow_unsafe == ("motion.following_error_rad",)


def test_what_is_discarded_is_kept_aside(rig: Rig, heard: list[Heard]) -> None:
    rig.recorder.start()
    rig.hear(heard[:500])
    rig.recorder.stop("unjudged", "the operator said discard", discard=True)
    rig.recorder.close()
    assert rig.recorder.store.episodes() == []
    (kept,) = EpisodeStore(rig.recorder.store.folder / "discarded").episodes()
    assert len(messages_of(kept)) == 500
    assert rig.recorder.stop("success", "") == "nothing is being recorded"


def test_a_latched_message_begins_every_episode(rig: Rig, heard: list[Heard]) -> None:
    rig.recorder.on_message("/safety/estop", START_NS, b"\0\1\0\0\0", latched=True)
    for _ in range(2):
        assert rig.recorder.start() is None
        rig.hear(heard[:100])
        rig.recorder.stop("failure", "")
        rig.wait_for("idle")
    first, second = (by_topic(messages_of(p)) for p in rig.recorder.store.episodes())
    assert len(first["/safety/estop"]) == len(second["/safety/estop"]) == 1


def test_an_episode_names_the_policy_that_could_drive(rig: Rig, heard: list[Heard]) -> None:
    policy = PolicyIdentity(name="bundles/t", sha256="0" * 64, chunking="realtime", seed=3)
    told = message_class(STRING)(policy.model_dump_json()), message_class(STRING)("{}")
    for message in told:
        rig.recorder.on_message(POLICY_TOPIC, START_NS, to_cdr(message, STRING), latched=True)
        rig.recorder.start()
        rig.hear(heard)
        rig.recorder.stop("success", "")
        rig.wait_for("idle")
    named, unnamed = (EpisodeInfo.load(path) for path in rig.recorder.store.episodes())
    assert named.policy == policy
    assert unnamed.policy is None
    assert named.quality is not None
    assert unnamed.quality is not None
    assert named.quality.verdict == "accept"
    assert any("/policy/bundle names no policy" in r for r in unnamed.quality.reasons)


def test_jpeg_is_smaller_and_alike(cell: CellConfig, tmp_path: Path, heard: list[Heard]) -> None:
    rig = Rig(recording_cell(cell, images="jpeg"), tmp_path)
    rig.recorder.start()
    rig.hear(heard)
    rig.recorder.stop("success", "")
    rig.recorder.close()
    (episode,) = rig.recorder.store.episodes()
    topic = IMAGE_TOPIC.format("wrist")
    found = by_topic(messages_of(episode))[topic + "/compressed"]
    given = by_topic([tuple(m) for m in heard])[topic]
    assert len(found) == len(given)
    for (_, _, compressed), (_, _, raw) in zip(found, given, strict=True):
        difference = compressed_image_of(compressed).astype(int) - image_of(raw)
        assert np.abs(difference).mean() < 4
    assert read_steps(episode).images["wrist"].shape[1:] == (24, 32, 3)
