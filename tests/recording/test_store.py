"""A folder of episodes: an episode is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import EpisodeInfo, configuration_sha256
from pushcell.recording.episode_steps import episode_files
from pushcell.recording.store import EpisodeStore, Journal, find_episodes, write_durably
from tests.recording.examples import some_info, some_steps


@pytest.fixture
def files(cell: CellConfig) -> dict[str, bytes]:
    steps = some_steps(size=None)
    return episode_files(steps, some_info(steps, cell), cell)


def test_a_saved_episode_is_found_and_noted(tmp_path: Path, files: dict[str, bytes]) -> None:
    store = EpisodeStore(tmp_path / "new" / "folder")
    path = store.save("b", files, {"index": 1})
    store.save("a", files, {"index": 0})
    assert [episode.name for episode in store.episodes()] == ["a", "b"]
    assert {file.name: file.read_bytes() for file in path.iterdir()} == files
    entries = list(store.journal.entries())
    assert [(e["event"], e["episode"], e["index"]) for e in entries] == [
        ("complete", "b", 1),
        ("complete", "a", 0),
    ]
    assert find_episodes(path) == [path]
    with pytest.raises(EpisodeError, match="there already"):
        store.save("a", files, {})


def test_what_a_crash_left_is_no_episode_and_is_written_over(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    store = EpisodeStore(tmp_path)
    (tmp_path / "a.partial").mkdir()
    for name, content in files.items():
        (tmp_path / "a.partial" / name).write_bytes(content[:-50])
    assert store.episodes() == []
    store.save("a", files, {})
    assert [path.name for path in tmp_path.glob("a*")] == ["a"]


def test_a_full_disk_is_told_and_costs_only_the_episode_at_hand(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    store = EpisodeStore(tmp_path)
    store.save("first", files, {})
    (tmp_path / "second.partial").mkdir()
    (tmp_path / "second.partial" / ".episode.mcap").symlink_to("/dev/full")
    with pytest.raises(EpisodeError, match=r"disk is full .* episode second in .* stays"):
        store.save("second", files, {})
    assert [path.name for path in store.episodes()] == ["first"]


def test_an_episode_that_the_disk_gives_back_otherwise_is_refused(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    store = EpisodeStore(tmp_path)
    cut = {**files, "episode.mcap": files["episode.mcap"][:-100]}
    with pytest.raises(EpisodeError, match="damaged"):
        store.save("a", cut, {})
    assert store.episodes() == []


def test_a_file_is_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "episode.yaml"
    write_durably(path, b"before")
    (tmp_path / ".episode.yaml").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b"after")
    assert path.read_bytes() == b"before"
    write_durably(path, b"after")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"episode.yaml": b"after"}


def test_a_torn_line_costs_the_journal_only_that_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert list(journal.entries()) == []
    journal.append({"n": 1})
    with journal.path.open("a") as file:
        file.write('{"n": 2, "half of')
    journal.append({"n": 3})
    journal.append({"n": 4})
    assert [entry["n"] for entry in journal.entries()] == [1, 3, 4]


def test_the_info_comes_back_and_bad_ones_are_named(tmp_path: Path, cell: CellConfig) -> None:
    info = some_info(some_steps(), cell)
    path = tmp_path / "episode.yaml"
    path.write_text(info.to_yaml())
    assert EpisodeInfo.load(tmp_path) == info
    path.write_text(info.to_yaml().replace("verdict: success", "verdict: perhaps"))
    with pytest.raises(EpisodeError, match=r"episode\.yaml: verdict"):
        EpisodeInfo.load(tmp_path)
    path.unlink()
    with pytest.raises(EpisodeError, match="not a whole episode"):
        EpisodeInfo.load(tmp_path)


def test_the_hash_of_a_configuration_tells_cells_apart(cell: CellConfig) -> None:
    same = CellConfig.model_validate(json.loads(cell.model_dump_json()))
    assert configuration_sha256(same) == configuration_sha256(cell)
    pusher = cell.pusher.model_copy(update={"radius_m": 0.016})
    other = cell.model_copy(update={"pusher": pusher})
    assert configuration_sha256(other) != configuration_sha256(cell)
