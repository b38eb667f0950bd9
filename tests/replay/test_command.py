"""The command: one page, one table, a baseline, files for viewers."""

import base64
import json
import re

import cv2
import numpy as np
import pytest

from benchmarks.synthetic_cell import TYPES
from pushcell.bags.bag_reader import BagReader
from pushcell.bags.messages import from_cdr
from pushcell.cli import main as cli
from pushcell.replay.player import Player
from pushcell.replay.recording import Recording
from tests.replay.examples import heard, steady_bundle, write_bag, write_episode

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def folder(cell, tmp_path_factory):
    """Two episodes and what is none."""
    folder = tmp_path_factory.mktemp("episodes")
    write_episode(folder / "one", cell, heard(cell, 3.0))
    write_bag(folder / "two.mcap", heard(cell, 2.0), TYPES)
    (folder / "broken.mcap").write_text("nothing of the kind")
    return folder


@pytest.fixture(scope="module")
def bundle(cell, tmp_path_factory):
    return steady_bundle(tmp_path_factory.mktemp("bundle"), cell)


def run(*words, code=0):
    assert cli.main(["replay", *map(str, words)]) == code


def test_one_page_shows_policies_side_by_side(cell, folder, bundle, tmp_path):
    page = tmp_path / "report.html"
    other = steady_bundle(tmp_path / "other", cell, ("overhead",))
    run(folder / "one", "--policy", bundle, "--policy", other, "--report", page)
    text = page.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text), "nothing is loaded from elsewhere"
    pictures = [base64.b64decode(data) for data in re.findall(r"image/png;base64,([^\"]+)", text)]
    decoded = [cv2.imdecode(np.frombuffer(p, np.uint8), cv2.IMREAD_COLOR) for p in pictures]
    assert len(decoded) == 2
    assert decoded[0].shape[1] == 480
    colourful = np.ptp(decoded[0].astype(int), axis=2) > 60
    assert colourful.sum() > 20, "chunks are drawn over the camera's grey picture"
    video = tmp_path / "video.mp4"
    video.write_bytes(base64.b64decode(re.search(r"video/mp4;base64,([^\"]+)", text)[1]))
    with av.open(str(video)) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == 30
    for words in (
        "first step [mm]",
        "Nothing would have been stopped",
        "latency budget",
        str(other),
    ):
        assert words in text


def test_a_folder_comes_into_one_table_and_what_is_refused_is_said(
    folder, bundle, tmp_path, capsys
):
    run(folder, "--policy", bundle, "--json", tmp_path / "all.json", code=1)
    shown = json.loads((tmp_path / "all.json").read_text())
    assert [entry["recording"] for entry in shown["replays"]] == ["one", "two.mcap"]
    assert "does not begin as an MCAP file" in shown["refused"]["broken.mcap"]
    assert "replays: 2, refused: 1" in capsys.readouterr().out


def test_a_baseline_is_kept_or_missed(folder, bundle, tmp_path, capsys):
    before = tmp_path / "before.json"
    run(folder / "one", "--policy", bundle, "--json", before)
    run(folder / "one", "--policy", bundle, "--baseline", before)
    again = ["--policy", bundle, "--baseline", before, "--chunking", "receding"]
    run(folder / "one", *again, code=1)
    assert "chunks where there were" in capsys.readouterr().out
    moved = json.loads(before.read_text())
    moved["replays"][0]["digest"] = ""
    moved["replays"][0]["chunk_ends_m"][3][2] += 0.004
    before.write_text(json.dumps(moved))
    again = ["--policy", bundle, "--baseline", before]
    run(folder / "one", *again, code=1)
    assert "chunk 3 has moved by 4 mm, more than 1 mm" in capsys.readouterr().out
    run(folder / "one", *again, "--tolerance", 0.005)
    run(folder / "two.mcap", *again, code=2)
    assert "no replay of two.mcap" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--drop", "1.5"], "--drop must be"),
        (["--delay", "soon"], "--delay is SECONDS"),
        (["--policy", "/nowhere"], "/nowhere"),
        (["--mapping", "/nowhere.yaml"], "/nowhere.yaml"),
        (["--baseline", "/nowhere.json"], "/nowhere.json"),
    ],
)
def test_mistakes_are_one_sentence(folder, words, problem, capsys):
    run(folder / "one", *words, code=2)
    assert problem in capsys.readouterr().err


def test_foxglove_gets_standard_messages(folder, bundle, tmp_path):
    path = tmp_path / "predictions.mcap"
    run(folder / "one", "--policy", bundle, "--foxglove", path)
    with BagReader(path) as bag:
        bag.verify()
        assert bag.types["/replay/policy_0/chunk"] == "nav_msgs/msg/Path"
        chunk = next(bag.messages(["/replay/policy_0/chunk"]))
        poses = from_cdr(chunk.cdr, "nav_msgs/msg/Path").poses
    assert len(poses) == 16
    assert poses[0].header.frame_id == "base"


def test_rerun_gets_a_recording(folder, bundle, tmp_path):
    pytest.importorskip("rerun", reason="no rerun: install pushcell[rerun]")
    path = tmp_path / "replay.rrd"
    run(folder / "one", "--policy", bundle, "--rerun", path)
    assert path.read_bytes()[:3] == b"RRF"
    assert path.stat().st_size > 10_000


class Played:
    """A player and a steady clock of the test's own."""

    def __init__(self, cell, path, **options):
        self.recording = Recording(path, cell)
        self.player = Player(self.recording.bag, {"/pusher/pose"}, **options)
        self.now_s = 100.0
        list(self.player.due(self.now_s))

    def play(self, seconds):
        found = []
        for _ in range(round(seconds * 100)):
            self.now_s += 0.01
            found += self.player.due(self.now_s)
        return found


def test_a_player_keeps_time(cell, folder):
    played = Played(cell, folder / "two.mcap", rate=2.0)
    assert len(played.play(0.5)) == pytest.approx(50, abs=2)
    assert played.player.state().position_s == pytest.approx(1.0, abs=0.03)
    played.player.request("pause")
    assert played.play(1.0) == []
    played.player.request("play")
    played.now_s += 30.0
    assert len(list(played.player.due(played.now_s))) <= 25, "a hung machine does not skip ahead"
    played.play(1.0)
    assert played.player.at_end
    assert not played.player.state().playing
    played.player.request("play")
    assert len(played.play(0.2)) == pytest.approx(20, abs=2)
