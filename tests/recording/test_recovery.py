"""Recordings that were cut off: recovered, or put aside, and never while they are written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mcap.opcode import Opcode

from benchmarks.killed_recorder import kill_and_recover
from benchmarks.synthetic_cell import Heard, recording_cell
from pushcell.bags.mcap_records import whole_records
from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.merge_split import split
from pushcell.recording.recovery import recover_all
from pushcell.recording.store import BAG_FILE, EpisodeStore
from tests.config.test_strict_yaml import LAUGHS
from tests.conftest import SIM_CELL
from tests.recording.rig import Rig, by_topic


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
