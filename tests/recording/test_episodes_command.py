"""``pushcell episodes`` and the corrections that ``pushcell convert`` makes of takeovers."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.synthetic_cell import START_NS, live, recording_cell
from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagWriter
from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.formats.packed_format import PackedSet
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_steps
from pushcell.recording.recorder import Recorder
from pushcell.recording.store import BAG_FILE, Journal
from teleop.console.episodes import thumbnail
from tests.conftest import SIM_CELL

SECONDS = 6.0
SOURCES = ((0.0, "policy"), (2.0, "teleop"), (4.0, "hold"), (5.0, "policy"))
CELL = ["--cell", str(SIM_CELL)]


def record(cell: CellConfig, folder: Path, verdict: str = "success") -> Path:
    now_ns = START_NS
    recorder = Recorder(recording_cell(cell), folder, lambda: now_ns, lambda _: None)
    assert recorder.start() is None
    for message in live(cell, SECONDS, SOURCES):
        recorder.on_message(*message)
    now_ns += round(SECONDS * 1e9)
    recorder.stop(verdict, "for the test")
    recorder.close()
    return folder / recorder.state().last.episode


@pytest.fixture
def episode(cell: CellConfig, tmp_path: Path) -> Path:
    return record(cell, tmp_path / "episodes")


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> dict:
    assert cli.main(["episodes", *map(str, words), "--json", "-"]) == code
    return json.loads(capsys.readouterr().out)


def test_an_episode_is_listed_shown_and_checked(episode: Path, capsys, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    (entry,) = run(capsys, "ls", episode.parent, "--picture", sheet)["episodes"]
    assert entry["path"] == str(episode)
    assert entry["verdict"] == "success"
    assert entry["messages"]["/joint_states"] == 600
    assert entry["quality"]["verdict"] == "accept"
    assert entry["takeovers"] == 1
    picture = cv2.imread(str(sheet))
    assert picture.shape == (142, 960, 3)
    tiles = picture[22:].reshape(120, 6, 160, 3)
    assert all((tiles[:, k] != tiles[:, k + 1]).any() for k in range(5))
    shown = run(capsys, "show", episode)
    assert [span["source"] for span in shown["driven"]] == ["policy", "teleop", "policy"]
    assert shown["driven"][1]["from_s"] == pytest.approx(2.0, abs=0.1)
    checked = run(capsys, "check", episode.parent, *CELL)
    assert checked["problems"] == []
    assert checked["episodes"][0]["quality"]["verdict"] == "accept"


def test_damage_of_any_byte_is_reported_by_check(episode: Path, capsys) -> None:
    content = (episode / BAG_FILE).read_bytes()
    for place in np.linspace(0, len(content) - 1, 40).astype(int):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (episode / BAG_FILE).write_bytes(damaged)
        (problem,) = run(capsys, "check", episode.parent, *CELL, code=1)["problems"]
        assert "is damaged" in problem, place


def test_a_folder_without_episodes_is_an_error(tmp_path: Path, capsys) -> None:
    assert cli.main(["episodes", "ls", str(tmp_path)]) == 2
    assert cli.main(["episodes", "ls", str(tmp_path / "none")]) == 2
    assert "contains no complete episode" in capsys.readouterr().err


def test_relabelling_asks_and_never_deletes(cell: CellConfig, episode: Path, capsys) -> None:
    (entry,) = run(capsys, "relabel", episode, "--verdict", "failure")["episodes"]
    assert entry["verdict"] == "failure"
    assert not EpisodeInfo.load(episode).usable
    other = record(cell, episode.parent)
    before = {path.name: (path / BAG_FILE).read_bytes() for path in (episode, other)}
    both = ["episodes", "relabel", str(episode.parent), "--verdict", "success"]
    assert cli.main(both) == 2
    assert cli.main(["episodes", "relabel", str(episode), "--discard"]) == 2
    assert "add --yes" in capsys.readouterr().err
    assert cli.main([*both, "--yes"]) == 0
    assert cli.main(["episodes", "relabel", str(episode), "--discard", "--yes"]) == 0
    aside = episode.parent / "discarded" / episode.name
    after = {path.name: (path / BAG_FILE).read_bytes() for path in (aside, other)}
    assert after == before
    events = [e["event"] for e in Journal(episode.parent / "journal.jsonl").entries()]
    assert events[-3:] == ["relabelled", "relabelled", "discarded"]


def test_merged_episodes_are_copies(cell: CellConfig, episode: Path, capsys) -> None:
    capsys.readouterr()
    out = episode.parent.parent / "all"
    merged = run(capsys, "merge", episode.parent, episode.parent, "--out", out)["episodes"]
    names = [Path(entry["path"]).name for entry in merged]
    assert names == [episode.name, episode.name + "_2"]
    for name in names:
        assert (out / name / BAG_FILE).read_bytes() == (episode / BAG_FILE).read_bytes()
        assert EpisodeInfo.load(out / name).name == name


def test_a_merge_that_fails_leaves_nothing(cell: CellConfig, episode: Path, capsys) -> None:
    other = record(cell, episode.parent)
    (other / BAG_FILE).write_bytes(b"torn")
    out = episode.parent.parent / "all"
    assert cli.main(["episodes", "merge", str(episode.parent), "--out", str(out)]) == 2
    assert not out.exists()


def test_a_split_that_fails_leaves_nothing(episode: Path, capsys) -> None:
    before = sorted(episode.parent.iterdir())
    words = ["episodes", "split", str(episode), "--at", "2", *CELL]
    content = (episode / BAG_FILE).read_bytes()
    damaged = bytearray(content)
    damaged[content.index(b"\x28\xb5\x2f\xfd") + 1000] ^= 0xFF  # in the first chunk, by its magic
    (episode / BAG_FILE).write_bytes(damaged)
    assert cli.main(words) == 2
    assert "is damaged" in capsys.readouterr().err
    assert sorted(episode.parent.iterdir()) == before


def test_one_episode_is_named_where_one_is_asked_for(cell, episode: Path, capsys) -> None:
    record(cell, episode.parent)
    for words in (["show"], ["split", "--at", "2"]):
        assert cli.main(["episodes", words[0], str(episode.parent), *words[1:]]) == 2
        assert "contains 2 episodes: name one of them" in capsys.readouterr().err


def test_an_episode_may_be_the_current_folder(episode: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(episode)
    assert run(capsys, "show", ".")["path"] == str(episode)


def test_a_picture_that_is_not_colour_is_named_by_its_file(episode: Path, capsys) -> None:
    content = (episode / BAG_FILE).read_bytes()
    with BagReader(episode / BAG_FILE) as bag:
        topics, messages = bag.summary.topics, list(bag.messages())
    with (episode / BAG_FILE).open("wb") as stream:
        writer = BagWriter(stream, topics)
        for message in messages:
            writer.add(*message._replace(cdr=message.cdr.replace(b"rgb8", b"hsv8")))
        writer.close(BAG_FILE)
    assert (episode / BAG_FILE).read_bytes() != content
    sheet = str(episode.parent / "sheet.png")
    assert cli.main(["episodes", "ls", str(episode), "--picture", sheet]) == 2
    assert "images of encoding 'hsv8'" in capsys.readouterr().err
    assert thumbnail(episode.parent, episode.name, "overhead") is None


def test_parts_put_together_are_the_whole(episode: Path, capsys) -> None:
    parts = run(capsys, "split", episode, "--at", "2", "4.5", *CELL)["episodes"]
    assert [part["duration_s"] for part in parts] == pytest.approx([2, 2.5, 1.5], abs=0.1)
    paths = [Path(part["path"]) for part in parts]
    found = [message for path in paths for message in messages_of(path)]
    whole = messages_of(episode)
    once = {topic for topic, _, _ in whole if sum(m[0] == topic for m in whole) == 1}
    assert [m for m in found if m[0] not in once] == [m for m in whole if m[0] not in once]
    assert sum(m[0] in once for m in found) == len(paths) * len(once)
    assert cli.main(["episodes", "split", str(episode), "--at", "9", *CELL]) == 2
    assert "needs times inside it" in capsys.readouterr().err


def messages_of(episode: Path) -> list[tuple[str, int, bytes]]:
    with BagReader(episode / BAG_FILE) as bag:
        return [(m.topic, m.log_ns, m.cdr) for m in bag.messages()]


def test_takeovers_become_corrections(cell: CellConfig, episode: Path, tmp_path: Path) -> None:
    record(cell, episode.parent, "failure")
    words = ["convert", str(episode.parent), "--interventions", "--to", "packed"]
    words += ["--image-px", "32", "24", "--out", str(tmp_path / "out")]
    assert cli.main(words) == 0
    (correction,) = PackedSet(tmp_path / "out")
    assert correction.steps.duration_s == pytest.approx(2.5, abs=0.25)
    whole = read_steps(episode, image_px=(32, 24))
    first = int(np.flatnonzero((whole.pusher == correction.steps.pusher[0]).all(axis=1))[0])
    last = first + len(correction.steps)
    np.testing.assert_allclose(correction.steps.pusher, whole.pusher[first:last], atol=1e-6)
    np.testing.assert_allclose(correction.steps.action, whole.action[first:last], atol=1e-6)
    assert first == pytest.approx(15, abs=2)


def test_without_takeovers_there_are_no_corrections(cell: CellConfig, tmp_path: Path, capsys):
    record(cell, tmp_path / "failed", "failure")
    words = ["convert", str(tmp_path / "failed"), "--interventions", "--to", "packed"]
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "no usable episode in which a person took over" in capsys.readouterr().err
