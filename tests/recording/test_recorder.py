"""Recordings from start to verdict, and what becomes of those that are cut off."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mcap.opcode import Opcode
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from benchmarks.killed_recorder import kill_and_recover
from benchmarks.synthetic_cell import START_NS, Heard, live, recording_cell
from pushcell.bags.bag_reader import BagReader
from pushcell.bags.mcap_records import whole_records
from pushcell.bags.messages import (
    STRING,
    compressed_image_of,
    image_of,
    message_class,
    to_cdr,
)
from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import EpisodeError
from pushcell.node_states import LastEpisode, RecorderState
from pushcell.recording.control_log import PolicyIdentity
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_steps
from pushcell.recording.merge_split import split
from pushcell.recording.recorder import Recorder
from pushcell.recording.recovery import recover_all
from pushcell.recording.store import BAG_FILE, EpisodeStore
from pushcell.recording.streams import IMAGE_TOPIC, POLICY_TOPIC
from tests.config.test_strict_yaml import LAUGHS
from tests.conftest import SIM_CELL

SECONDS = 3.0
S = 10**9


class Rig:
    """A recorder whose clock is the newest message's."""

    def __init__(self, cell: CellConfig, folder: Path) -> None:
        self.now_ns = START_NS
        self.failures: list[str] = []
        self.on_failure: Callable[[], None] = lambda: None
        self.recorder = Recorder(cell, folder, lambda: self.now_ns, self._fail)

    def _fail(self, problem: str) -> None:
        self.failures.append(problem)
        self.on_failure()

    def hear(self, messages: list[Heard]) -> None:
        for message in messages:
            self.now_ns = max(self.now_ns, message.log_ns)
            self.recorder.on_message(*message)

    def wait_for(self, *states: str) -> RecorderState:
        until = time.monotonic() + 30
        while (state := self.recorder.state()).state not in states:
            assert time.monotonic() < until, state
            time.sleep(0.01)
        return state


@pytest.fixture
def heard(cell: CellConfig) -> list[Heard]:
    return list(live(cell, SECONDS))


@pytest.fixture
def rig(cell: CellConfig, tmp_path: Path) -> Rig:
    return Rig(recording_cell(cell), tmp_path / "episodes")


def messages_of(episode: Path) -> list[tuple[str, int, bytes]]:
    with BagReader(episode / BAG_FILE) as bag:
        return [(m.topic, m.log_ns, m.cdr) for m in bag.messages()]


def by_topic(messages: list) -> dict[str, list]:
    return {topic: [m for m in messages if m[0] == topic] for topic in {m[0] for m in messages}}


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


def test_a_picture_that_cannot_be_judged_is_recorded_and_told(rig: Rig, heard: list[Heard]) -> None:
    grey = [
        message._replace(cdr=message.cdr.replace(b"rgb8", b"hsv8"))
        if message.topic == IMAGE_TOPIC.format("wrist")
        else message
        for message in heard
    ]
    rig.recorder.start()
    rig.hear(grey)
    rig.recorder.stop("success", "")
    rig.recorder.close()
    (episode,) = rig.recorder.store.episodes()
    assert by_topic(messages_of(episode)) == by_topic([tuple(m) for m in grey])
    last = rig.recorder.state().last
    assert last.verdict == "reject"
    assert any("images of encoding 'hsv8'" in reason for reason in last.reasons)


def test_the_gate_rejects_what_it_cannot_read_and_goes_on(
    cell: CellConfig, tmp_path: Path, heard: list[Heard]
) -> None:
    rig = Rig(recording_cell(cell, images="jpeg"), tmp_path)
    rig.recorder.start()
    torn = [m._replace(cdr=m.cdr.replace(b"rgb8", b"mono")) for m in heard]
    rig.hear(torn)
    rig.recorder.stop("success", "")
    state = rig.wait_for("idle")
    assert state.problem == ""
    assert any("wrist" in r and "cannot be judged" in r for r in state.last.reasons)


@pytest.mark.parametrize(("elbow_rad", "verdict"), [(1.78, "accept"), (3.12, "reject")])
def test_the_joints_of_an_arm_of_six_are_judged_by_their_own_ends(
    tmp_path: Path, elbow_rad: float, verdict: str
) -> None:
    cell = load_cell("ur5e_sim")
    joints = np.array(cell.arm.nominal_joints_rad)
    joints[2] = elbow_rad
    arm = cell.arm.changed(nominal_joints_rad=tuple(joints))
    cell = recording_cell(cell.changed(arm=arm.model_dump()))
    rig = Rig(cell, tmp_path)
    rig.recorder.start()
    rig.hear(list(live(cell, SECONDS)))
    rig.recorder.stop("success", "")
    rig.recorder.close()
    last = rig.recorder.state().last
    assert last.verdict == verdict
    assert any("a joint was at its end" in r for r in last.reasons) == (verdict == "reject")


def test_a_folder_that_is_gone_is_told(rig: Rig) -> None:
    rig.recorder.store.folder.rmdir()
    assert "is gone" in str(rig.recorder.start())
    assert rig.recorder.state().free_bytes == 0


def test_a_disk_that_is_too_slow_costs_the_episode(
    cell: CellConfig, tmp_path: Path, heard: list[Heard]
) -> None:
    rig = Rig(recording_cell(cell, buffer_mb=0.01), tmp_path)
    rig.recorder.start()
    rig.hear(heard)
    rig.recorder.stop("success", "")
    rig.recorder.close()
    last = rig.recorder.state().last
    assert last.verdict == "reject"
    assert any("messages were left out: the disk is too slow" in text for text in last.reasons)


def test_little_room_is_told_before(cell: CellConfig, tmp_path: Path) -> None:
    rig = Rig(recording_cell(cell, min_free_mb=1e12), tmp_path)
    assert "make room" in str(rig.recorder.start())
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_recording_with_a_valid_file(
    cell: CellConfig, small_disk: Path
) -> None:
    rig = Rig(recording_cell(cell, sync_s=0.1), small_disk)
    answers: list[str | None] = []
    rig.on_failure = lambda: answers.append(rig.recorder.start())
    assert rig.recorder.start() is None
    rng = np.random.default_rng(0)
    sent = []
    for number, message in enumerate(live(cell, 60.0)):
        # What cannot be compressed, in a message that nobody looks into.
        noise = message._replace(topic="/safety/estop", cdr=rng.bytes(20_000))
        sent.append(tuple(noise))
        rig.hear([noise])
        time.sleep(0.001)
        if rig.failures or number > 2000:
            break
    state = rig.wait_for("failed")
    assert "the disk is full" in rig.failures[0]
    assert "cannot begin while the recorder is verifying" in str(answers[0]), "not yet at its end"
    assert "the disk is full" in state.problem
    rig.recorder.close()
    state = rig.recorder.state()
    assert state.state == "failed"
    assert state.last.verdict == "reject"
    (episode,) = rig.recorder.store.episodes()
    found = messages_of(episode)
    assert 100 < len(found) < len(sent)
    assert found == sent[: len(found)]
    assert not EpisodeInfo.load(episode).usable


@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_recorder_costs_at_most_a_second(
    cell: CellConfig, tmp_path: Path, seed: int
) -> None:
    killed = kill_and_recover(tmp_path, seed)
    assert killed.kept
    assert by_topic(killed.kept) == by_topic(
        [tuple(m) for m in killed.published[: len(killed.kept)]]
    )
    assert killed.lost_s <= 1.0
    info = EpisodeInfo.load(killed.episode)
    assert info.recovered
    assert info.verdict == "unjudged"
    assert "the recording was cut off, and recovered" in info.quality.reasons
    assert recover_all(EpisodeStore(tmp_path), cell) == []


@pytest.mark.parametrize("moment", ["before the bag is there", "while it is written"])
def test_what_is_being_written_is_not_recovered(
    rig: Rig, heard: list[Heard], moment: str, cell: CellConfig
) -> None:
    folder = rig.recorder.store.folder
    rig.recorder.start()
    if moment == "while it is written":
        rig.hear(heard[:300])
        while not list(folder.glob(f"*.partial/{BAG_FILE}")):
            time.sleep(0.01)
        time.sleep(0.05)
    with pytest.raises(EpisodeError, match="another pushcell is writing there"):
        recover_all(rig.recorder.store, recording_cell(cell))
    second = Rig(recording_cell(cell), folder)
    second.recorder.recover()
    assert "another pushcell is writing there" in second.wait_for("idle").problem
    assert "another pushcell is writing there" in str(second.recorder.start())
    with pytest.raises(EpisodeError, match="another pushcell is writing there"):
        split(folder / "some_episode", [1.0], cell)
    rig.hear(heard[300:])
    rig.recorder.stop("success", "")
    rig.recorder.close()
    assert second.recorder.start() is None
    second.recorder.close()
    events = [entry["event"] for entry in rig.recorder.store.journal.entries()]
    assert events == ["begun", "complete"] * 2
    assert not (folder / "discarded").exists()


def test_who_looks_for_broken_episodes_all_the_time_finds_none(
    rig: Rig, heard: list[Heard], cell: CellConfig
) -> None:
    over, refused = threading.Event(), 0

    def look() -> None:
        nonlocal refused
        while not over.is_set():
            try:
                assert recover_all(rig.recorder.store, cell) == []
            except EpisodeError:
                refused += 1

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(10):
            while rig.recorder.start() is not None:
                pass
            rig.hear(heard[:20])
            rig.recorder.stop("success", "")
            rig.wait_for("idle")
    finally:
        over.set()
        looking.join()
    assert len(rig.recorder.store.episodes()) == 10
    assert refused > 0


def test_an_empty_partial_episode_is_put_aside(cell: CellConfig, rig: Rig) -> None:
    partial = rig.recorder.store.folder / "torn.partial"
    partial.mkdir()
    (partial / "episode.yaml").write_text("torn")
    (partial / BAG_FILE).write_bytes(b"\x89MCAP0\r\n")
    rig.recorder.recover()
    rig.recorder.close()
    assert "torn held no message and was put aside" in rig.recorder.state().problem
    assert (rig.recorder.store.folder / "discarded" / "torn" / BAG_FILE).exists()


def cut_off(rig: Rig, heard: list[Heard]) -> Path:
    """An episode as a crash leaves it, but for its end, which is whole."""
    rig.recorder.start()
    rig.hear(heard)
    rig.recorder.stop("success", "")
    rig.wait_for("idle")
    (episode,) = rig.recorder.store.episodes()
    return episode.rename(f"{episode}.partial")


def damage_a_chunk(bag: Path) -> None:
    """It is the only one."""
    with bag.open("r+b") as file:
        first = next(r for r in whole_records(file) if r.opcode == Opcode.CHUNK)
        file.seek(first.offset + 60)
        file.write(bytes(20))


DAMAGES = {
    "torn info": lambda partial: (partial / "episode.yaml").write_text("torn"),
    "info of a bomb": lambda partial: (partial / "episode.yaml").write_bytes(LAUGHS),
    "no chunk": lambda partial: damage_a_chunk(partial / BAG_FILE),
    "a folder for a bag": lambda partial: (
        (partial / BAG_FILE).rename(partial / "other"),
        (partial / BAG_FILE).mkdir(),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_one_that_is_too_damaged_is_put_aside_and_stops_nobody(
    rig: Rig, heard: list[Heard], damage: Callable[[Path], object]
) -> None:
    folder = rig.recorder.store.folder
    damaged = cut_off(rig, heard)
    damage(damaged)
    other = cut_off(rig, heard)
    rig.recorder.recover()
    problem = rig.wait_for("idle").problem
    assert f"{other.name.removesuffix('.partial')} was cut off and is recovered" in problem
    name = damaged.name.removesuffix(".partial")
    assert name in problem.split(" could not be recovered")[0]
    (recovered,) = rig.recorder.store.episodes()
    assert EpisodeInfo.load(recovered).recovered
    if damage is not DAMAGES["a folder for a bag"]:
        assert (folder / "discarded" / name / BAG_FILE).exists()
        entry = [e for e in rig.recorder.store.journal.entries() if e["event"] == "put aside"]
        assert [e["episode"] for e in entry] == [name]
        assert entry[0]["reason"] in problem
    assert rig.recorder.start() is None
    rig.recorder.close()


def test_two_of_one_name_are_put_aside_both(rig: Rig, cell: CellConfig) -> None:
    for _ in range(2):
        partial = rig.recorder.store.folder / "torn.partial"
        partial.mkdir()
        (partial / "episode.yaml").write_text("torn")
        recover_all(rig.recorder.store, cell)
    aside = rig.recorder.store.folder / "discarded"
    assert sorted(path.name for path in aside.iterdir()) == ["torn", "torn_2"]


def test_the_command_says_that_something_is_lost(rig: Rig, heard: list[Heard]) -> None:
    (cut_off(rig, heard) / "episode.yaml").write_text("torn")
    words = ["episodes", "recover", str(rig.recorder.store.folder), "--cell", str(SIM_CELL)]
    assert cli.main(words) == 1
    assert cli.main(words) == 0
