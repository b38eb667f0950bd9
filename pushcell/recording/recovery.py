"""Brings back the episodes whose recording was cut off: every whole message of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pushcell.config import CellConfig
from pushcell.errors import EpisodeError
from pushcell.recording.bag_reader import BagReader
from pushcell.recording.durable_bag import lock
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.finishing import finish_episode
from pushcell.recording.mcap_repair import repair
from pushcell.recording.quality import review
from pushcell.recording.quality_report import Finding
from pushcell.recording.store import BAG_FILE, PARTIAL, EpisodeStore

DISCARDED = "discarded"


@dataclass(frozen=True)
class Recovered:
    """What became of a partial episode; without info there was nothing in it."""

    path: Path
    info: EpisodeInfo | None
    messages: int
    cut_off_bytes: int

    def sentence(self) -> str:
        """For people."""
        if self.info is None:
            return f"{self.path.name} held no message and was put aside"
        return f"{self.path.name} was cut off and is recovered: {self.messages} messages"


def recover_all(store: EpisodeStore, cell: CellConfig) -> list[Recovered]:
    """Every partial recording in a folder which nobody is writing.

    Partial episodes of other origins have no ``episode.yaml`` yet: who makes them writes them anew.
    """
    partials = sorted(store.folder.glob(f"*{PARTIAL}/{INFO_FILE}"))
    found = (_recover(store, path.parent, cell) for path in partials)
    return [one for one in found if one is not None]


def _recover(store: EpisodeStore, partial: Path, cell: CellConfig) -> Recovered | None:
    bag_path = partial / BAG_FILE
    name = partial.name.removesuffix(PARTIAL)
    try:
        file = bag_path.open("rb")
    except FileNotFoundError:
        return _put_aside(store, partial, name)
    with file:
        if not lock(file.fileno()):
            return None
        try:
            repaired = repair(bag_path)
        except EpisodeError:
            return _put_aside(store, partial, name)
        if not repaired.messages:
            return _put_aside(store, partial, name)
        with BagReader(bag_path) as bag:
            summary, gate = bag.summary, review(bag, cell)
        cut_off = Finding("warn", "the recording was cut off, and recovered")
        report = gate.final_report(summary.end_ns).with_finding(cut_off)
        changes = {"recovered": True}
        info = finish_episode(partial, summary, lambda _: report, gate.driving, changes)
        entry = {"event": "recovered", "messages": repaired.messages, "quality": report.verdict}
        path = store.commit(partial, entry, store.folder / name)
    return Recovered(path, info, repaired.messages, repaired.cut_off_bytes)


def _put_aside(store: EpisodeStore, partial: Path, name: str) -> Recovered:
    folder = store.folder / DISCARDED
    folder.mkdir(exist_ok=True)
    path = partial.rename(folder / name)
    store.journal.append({"event": "put aside", "episode": name})
    return Recovered(path, None, 0, 0)
