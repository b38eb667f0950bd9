"""A folder of episodes, to which an episode is added whole or not at all.

An episode is written as ``NAME.partial``, brought to the disk, verified, renamed and noted in
``journal.jsonl``. So what has its final name is complete, whatever happened to the writer.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.durable_bag import sync_folder
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import INFO_FILE

BAG_FILE = "episode.mcap"
METADATA_FILE = "metadata.yaml"
PARTIAL = ".partial"
DISCARDED = "discarded"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class EpisodeStore:
    """Adds episodes to a folder, which is made when it is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder / "journal.jsonl")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EpisodeError(f"{folder} cannot be made ({error.strerror})") from None

    def begin(self, name: str) -> Path:
        """The folder of a new partial episode, which is there after a power cut too."""
        partial = self.folder / (name + PARTIAL)
        partial.mkdir()
        sync_folder(self.folder)
        return partial

    def save(self, name: str, files: Mapping[str, bytes], entry: Mapping[str, Any]) -> Path:
        """Add an episode of these files and a line to the journal.

        A partial episode of that name, left by a crash, is written over. Raises EpisodeError,
        naming the episode, when the disk is full or does not give back what was written.
        """
        partial = self.folder / (name + PARTIAL)
        with naming_a_full_disk(f"episode {name} in {self.folder}"):
            partial.mkdir(exist_ok=True)
            for file_name, content in files.items():
                write_durably(partial / file_name, content)
            return self.commit(partial, entry)

    def commit(
        self,
        partial: Path,
        entry: Mapping[str, Any],
        final: Path | None = None,
        verify: bool = True,
    ) -> Path:
        """Verify an episode that lies on the disk as ``NAME.partial`` and give it its name.

        ``final`` may name another place in the folder; a writer that has read back all that it
        wrote need not ``verify`` again.
        """
        final = final or partial.with_name(partial.name.removesuffix(PARTIAL))
        if final.exists():
            raise EpisodeError(f"{final} is there already: choose another name")
        if verify:
            with BagReader(partial / BAG_FILE) as bag:
                bag.verify()
        sync_folder(partial)
        final.parent.mkdir(exist_ok=True)
        partial.rename(final)
        sync_folder(final.parent)
        self.journal.append({"event": "complete", "episode": final.name, **entry})
        return final

    def put_aside(self, folder: Path, event: str, reason: str) -> Path:
        """Move what is no episode, or no longer, into ``discarded/``; an event of the journal."""
        name = folder.name.removesuffix(PARTIAL)
        names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        aside = next(p for n in names if not (p := self.folder / DISCARDED / n).exists())
        aside.parent.mkdir(exist_ok=True)
        folder.rename(aside)
        sync_folder(aside.parent)
        sync_folder(self.folder)
        self.journal.append({"event": event, "episode": aside.name, "reason": reason})
        return aside

    def episodes(self) -> list[Path]:
        """The folders of the complete episodes, by name."""
        return find_episodes(self.folder)


class Journal:
    """A file of JSON lines, each on the disk before ``append`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add a line; one that a crash has left unfinished is ended first."""
        with naming_a_full_disk(str(self.path)), self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            else:
                torn = False
            file.write(b"\n" * torn + json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.path.parent)

    def entries(self) -> Iterator[dict[str, Any]]:
        """The lines; those that a crash has torn, or that hold no entry, are left out."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(entry, dict):
                    yield entry


def find_episodes(folder: Path) -> list[Path]:
    """The complete episodes directly inside a folder, by name; or the folder itself, if one."""
    if (folder / INFO_FILE).exists():
        return [folder]
    found = (path.parent for path in folder.glob(f"*/{INFO_FILE}"))
    return sorted(path for path in found if not path.name.endswith(PARTIAL))


@contextmanager
def naming_a_full_disk(what: str) -> Iterator[None]:
    """Turn the system's error of a full disk into an EpisodeError that says what was written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise EpisodeError(
            f"the disk is full ({error.strerror}): {what} was not written; what was complete "
            "before stays; make room and run the same command again"
        ) from None


def write_durably(path: Path, content: bytes) -> None:
    """A file that is on the disk when this returns; until then the one before stays."""
    partial = path.with_name(f".{path.name}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)
    sync_folder(path.parent)
