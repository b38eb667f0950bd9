"""Finds and opens bags, in whatever files and folders people have them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pushcell.bags.bag import Bag
from pushcell.bags.inflated_bag import InflatedBag
from pushcell.bags.library_bag import LibraryBag
from pushcell.bags.mcap_bag import McapBag
from pushcell.bags.split_bag import SplitBag
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import INFO_FILE
from pushcell.recording.store import METADATA_FILE, PARTIAL, find_episodes

SUFFIXES = (".mcap", ".db3")
_PART = re.compile(r".*_\d+\.(mcap|db3)")
_DATED = re.compile(r"rosbag2_\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d")


def find_recordings(path: Path) -> list[Path]:
    """The recording that a path is, or all those in a folder; raises EpisodeError for none."""
    if not path.exists():
        raise EpisodeError(f"there is no {path}: name an episode, a bag, or a folder of them")
    if path.is_file() or _is_bag(path):
        return [path]
    found = set(find_episodes(path)) | {p for p in path.iterdir() if p.is_dir() and _is_bag(p)}
    found |= set(_storages(path))
    if not found:
        raise EpisodeError(f"{path} holds neither an episode nor a bag")
    return sorted(p for p in found if not p.name.endswith(PARTIAL))


def open_bag(path: Path) -> Bag:
    """The bag at a path; raises EpisodeError for what is none."""
    if path.is_dir():
        return _open_folder(path)
    if path.suffix == ".bag":
        raise EpisodeError(f"{path} is of ROS 1: convert it with `rosbags-convert`")
    if path.suffix not in SUFFIXES:
        raise EpisodeError(f"{path} is no bag: known are .mcap, .db3 and folders of them")
    notes = _metadata(path.parent)
    alone = path.name in _file_names(notes)
    return _inflated(_open_file(path), notes) if alone else _open_file(path)


def _open_folder(folder: Path) -> Bag:
    notes, files = _metadata(folder), _storages(folder)
    named = _file_names(notes)
    if named:
        files = [file for file in files if file.name in named]
    packed = sorted(folder.glob("*.zstd"))
    if packed and not notes:
        raise EpisodeError(
            f"{folder} has no metadata.yaml, and its files are compressed: unpack them first, as "
            f"in `zstd -d {packed[0].name}`"
        )
    if not files:
        return LibraryBag(folder)
    parts: list[Bag] = []
    lost = [
        f"file {name}, which metadata.yaml names: it is not there"
        for name in sorted(set(named) - {file.name for file in files})
    ]
    for file in files:
        try:
            parts.append(_open_file(file))
        except EpisodeError as error:
            if len(files) == 1:
                raise
            lost.append(f"file {error}")
    if not parts:
        raise EpisodeError(f"{folder}: none of its files can be read: {'; '.join(lost)}")
    bag: Bag = parts[0] if len(parts) == 1 and not lost else SplitBag(parts, lost)
    return _inflated(bag, notes)


def _open_file(path: Path) -> Bag:
    return McapBag(path) if path.suffix == ".mcap" else LibraryBag(path)


def _inflated(bag: Bag, notes: Mapping[str, Any]) -> Bag:
    return InflatedBag(bag) if str(notes.get("compression_mode")).lower() == "message" else bag


def _is_bag(folder: Path) -> bool:
    if (folder / INFO_FILE).exists() or (folder / METADATA_FILE).exists():
        return True
    files = _storages(folder)
    return len(files) == 1 or _is_series(folder, files)


def _is_series(folder: Path, files: Sequence[Path]) -> bool:
    """Whether these are the parts of one recording, as rosbag2 names them.

    That is after its folder, which has the time in its own name unless it was given another; and
    people move files on.
    """
    stems = {file.stem.rpartition("_")[0] for file in files if _PART.fullmatch(file.name)}
    if len(files) < 2 or len(stems) > 1 or not all(_PART.fullmatch(f.name) for f in files):
        return False
    (stem,) = stems
    return stem == folder.name or _DATED.fullmatch(stem) is not None


def _storages(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES)


def _metadata(folder: Path) -> Mapping[str, Any]:
    """What metadata.yaml says; nothing where it is missing, or cannot be read."""
    try:
        values = yaml.safe_load((folder / METADATA_FILE).read_text(encoding="utf-8"))
        notes = values["rosbag2_bagfile_information"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _file_names(notes: Mapping[str, Any]) -> list[str]:
    """The files of a recording by name: they lie in its folder, whatever path they were given."""
    paths = notes.get("relative_file_paths")
    return [Path(str(path)).name for path in paths] if isinstance(paths, list) else []
