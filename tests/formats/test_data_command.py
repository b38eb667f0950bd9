"""A look at a data set names what is odd in it; a cleaned copy leaves the source as it is."""

import json
import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from pushcell.cli import main as cli
from pushcell.errors import EpisodeError
from pushcell.formats.data_command import open_any
from pushcell.formats.data_set import Demonstration
from pushcell.formats.inspection import inspect, trimmed
from pushcell.formats.lerobot_writer import write_lerobot
from pushcell.formats.packed_format import PackedSet, write_packed
from pushcell.formats.zarr_format import write_zarr
from pushcell.recording.steps import Steps

COUNT, LAG = 60, 2


def push(seed=0, start=(0.5, 0.0)):
    """A pusher that follows its action, two steps later, along an arc."""
    rng = np.random.default_rng(seed)
    turn = np.linspace(0, 3 + 0.2 * seed, COUNT + LAG)
    way = np.array(start) + 0.1 * np.column_stack([np.sin(turn), 1 - np.cos(turn)])
    pusher = np.column_stack([way[:COUNT], np.zeros(COUNT)])
    slider = np.column_stack([pusher[:, :2] + 0.05, 0.1 * turn[:COUNT]])
    seen = rng.integers(40, 200, (COUNT, 12, 16, 3), np.uint8)
    return Steps(10.0, pusher, slider, way[LAG:], np.zeros(3), {"eye": seen})


def resting(steps, before, after):
    """The same with frames at its ends in which nothing moves."""
    rows = np.clip(np.arange(-before, len(steps) + after), 0, len(steps) - 1)
    images = {name: seen[rows] for name, seen in steps.images.items()}
    return Steps(
        10.0, steps.pusher[rows], steps.slider[rows], steps.action[rows], steps.goal, images
    )


def findings(*steps):
    found = inspect(Demonstration(f"e{k}", one) for k, one in enumerate(steps))
    return {(finding.verdict, finding.text) for finding in found.findings()}


def texts(found, verdict):
    return " | ".join(text for v, text in found if v == verdict)


def test_nothing_is_odd_in_a_good_set():
    found = findings(*(push(seed) for seed in range(6)))
    assert {verdict for verdict, _ in found} == {"good"}
    assert ("good", f"the pusher follows its action by {LAG} steps (0.20 s)") in found


def changed(steps, key, change):
    values = getattr(steps, key).copy()
    change(values)
    return replace(steps, **{key: values})


def far(values):
    values += 0.7


def jumping(values):
    values[30:, 0] += 0.5


def still(values):
    values[:] = values[0]


@pytest.mark.parametrize(
    ("spoil", "verdict", "text"),
    [
        (lambda s: changed(s, "slider", far), "warn", "1 episodes whose slider is far .*: e5"),
        (lambda s: changed(s, "pusher", jumping), "bad", r"1 episodes in which pusher jumps: e5"),
        (lambda s: resting(s, 300, 0), "warn", r"1 episodes of a length far .* 60: e5 \(360\)"),
        (lambda s: resting(s, 100, 100), "warn", r"37% of the frames are idle, 20\d of them at"),
    ],
)
def test_an_odd_episode_is_named(spoil, verdict, text):
    found = findings(*(push(seed) for seed in range(5)), spoil(push(5)))
    assert [t for v, t in found if v == verdict and re.search(text, t)]


def test_what_is_wrong_in_a_whole_set_is_named():
    still_set = [changed(push(seed), "slider", still) for seed in range(2)]
    same = [replace(s, slider=np.zeros((COUNT, 3))) for s in still_set]
    assert "slider is the same in all frames" in texts(findings(*same), "bad")
    late = [replace(push(k), action=push(k).pusher[:, :2]) for k in range(3)]
    assert "by 0 steps (0.00 s): the action is no command" in texts(findings(*late), "warn")
    black = [replace(push(k), images={"eye": np.zeros((COUNT, 4, 4, 3), np.uint8)}) for k in (1, 2)]
    assert "100% of the images of eye are black" in texts(findings(*black), "bad")
    assert "98% of the images of eye are the same" in texts(findings(*black), "warn")


def test_idle_ends_are_cut_off_and_nothing_else():
    cut = trimmed(resting(push(), 7, 11))
    assert abs(len(cut) - COUNT) <= 2
    assert len(trimmed(changed(changed(changed(push(), "pusher", still), "slider", still),
                               "action", still))) == 0  # fmt: skip


def test_the_commands_show_check_and_clean(tmp_path, capsys):
    path = tmp_path / "set.parquet"
    sets = [resting(push(seed), 20, 20) for seed in range(3)]
    write_packed((Demonstration(str(k), one) for k, one in enumerate(sets)), path)
    before = path.read_bytes()
    sheet = tmp_path / "sheet.png"
    words = ["data", "show", str(path), "--sheet", str(sheet), "--json", str(tmp_path / "f.json")]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "3 episodes of 100 to 100 frames at 10 Hz" in " ".join(said.split())
    assert cv2.imread(str(sheet)).shape == (3 * 142, 960, 3)
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["cameras"] == {"eye": [12, 16, 3]}
    assert figures["length"] == {"least": 100, "median": 100.0, "most": 100}
    clean = tmp_path / "clean.parquet"
    assert cli.main(["data", "check", str(path), "--trim-idle", str(clean)]) == 0
    assert all(abs(len(one.steps) - COUNT) <= 2 for one in PackedSet(clean))
    assert path.read_bytes() == before
    assert cli.main(["data", "check", str(path), "--trim-idle", str(clean)]) == 2
    black = (replace(one, images={"eye": one.images["eye"] // 200}) for one in sets)
    dark = tmp_path / "dark.parquet"
    write_packed((Demonstration("x", one) for one in black), dark)
    assert cli.main(["data", "check", str(dark)]) == 1
    assert cli.main(["data", "look", str(dark)]) == 2
    assert "needs one of: show, check" in capsys.readouterr().err


def without(folder, *features):
    """The LeRobot set without some features."""
    info = folder / "meta/info.json"
    values = json.loads(info.read_text())
    for name in features:
        del values["features"][name]
    info.write_text(json.dumps(values))
    (file,) = folder.glob("data/*/*.parquet")
    pq.write_table(pq.read_table(file).drop(list(features)), file)
    return folder


def without_arrays(path, *names):
    """The zarr set without some arrays."""
    for name in names:
        shutil.rmtree(path / "data" / name)
    return path


@pytest.fixture(params=["lerobot", "zarr"])
def no_slider(request, tmp_path):
    pushes = [Demonstration(f"e{seed}", push(seed)) for seed in range(3)]
    if request.param == "lerobot":
        write_lerobot(pushes, tmp_path / "set")
        return without(tmp_path / "set", "slider_state", "goal")
    write_zarr(pushes, tmp_path / "set.zarr")
    return without_arrays(tmp_path / "set.zarr", "slider_state", "target")


def test_a_set_without_the_slider_is_looked_at_all_the_same(no_slider, capsys):
    assert cli.main(["data", "show", str(no_slider), "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures["ranges"]) == {"pusher", "action"}
    assert figures["frames"] == 3 * COUNT
    assert figures["lag_steps"] == LAG
    assert any("no pose of the slider" in one["text"] for one in figures["findings"])
    assert cli.main(["data", "check", str(no_slider)]) == 0


def test_it_is_not_learned_of_and_invents_no_slider(no_slider, tmp_path, capsys):
    assert (
        cli.main(["convert", str(no_slider), "--to", "packed", "--out", str(tmp_path / "o")]) == 2
    )
    assert "slider_state" in capsys.readouterr().err
    words = ["data", "check", str(no_slider), "--trim-idle", str(tmp_path / "o")]
    assert cli.main(words) == 2
    assert "a packed copy needs the slider's poses" in capsys.readouterr().err
    (one, *_) = open_any(no_slider, (16, 12))
    assert not one.steps.has_slider
    assert np.isnan(one.steps.slider).all()
    assert np.isnan(one.steps.goal).all()
    with pytest.raises(EpisodeError, match="slider must be finite"):
        replace(one.steps, has_slider=True)


def test_a_file_of_another_kind_is_told_what_is_read(tmp_path):
    (tmp_path / "demo.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(900))
    with pytest.raises(EpisodeError, match="is no data set; those read are folders of episodes"):
        open_any(tmp_path / "demo.hdf5", (128, 128))
