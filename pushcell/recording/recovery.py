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
from pushcell.recording.mcap_records import DAMAGE
from pushcell.recording.mcap_repair import Repair, repair
from pushcell.recording.quality import review
from pushcell.recording.quality_report import Finding
from pushcell.recording.store import BAG_FILE, PARTIAL, EpisodeStore

_NOTHING = Repair(messages=0, damaged_chunks=0, cut_off_bytes=0)


@dataclass(frozen=True)
class Recovered:
    """What became of a partial episode; without info there was nothing in it, or a problem."""

    path: Path
    info: EpisodeInfo | None = None
    repaired: Repair = _NOTHING
    problem: str = ""

    def sentence(self) -> str:
        """For people."""
        if self.problem:
            return f"{self.path.name} could not be recovered and stays: {self.problem}"
        if self.info is None:
            return f"{self.path.name} held no message and was put aside"
        return (
            f"{self.path.name} was cut off and is recovered: {self.repaired.messages} messages"
            f"{_losses(self.repaired)}"
        )


def recover_all(store: EpisodeStore, cell: CellConfig) -> list[Recovered]:
    """Every partial recording in a folder which nobody is writing; what cannot be recovered stays.

    Partial episodes of other origins have no ``episode.yaml`` yet: who makes them writes them anew.
    """
    partials = sorted(store.folder.glob(f"*{PARTIAL}/{INFO_FILE}"))
    found = (_recovered(store, path.parent, cell) for path in partials)
    return [one for one in found if one is not None]


def _recovered(store: EpisodeStore, partial: Path, cell: CellConfig) -> Recovered | None:
    try:
        return _recover(store, partial, cell)
    except EpisodeError as error:
        return Recovered(partial, problem=str(error))
    except DAMAGE as error:
        why = f"{partial / BAG_FILE} is damaged ({str(error) or type(error).__name__})"
        return Recovered(partial, problem=why)


def _recover(store: EpisodeStore, partial: Path, cell: CellConfig) -> Recovered | None:
    bag_path = partial / BAG_FILE
    try:
        file = bag_path.open("rb")
    except FileNotFoundError:
        return Recovered(store.put_aside(partial, "put aside"))
    with file:
        if not lock(file.fileno()):
            return None
        try:
            repaired = repair(bag_path)
        except EpisodeError:
            repaired = _NOTHING
        if not repaired.messages:
            return Recovered(store.put_aside(partial, "put aside"))
        with BagReader(bag_path) as bag:
            summary, gate = bag.summary, review(bag, cell)
        reason = f"the recording was cut off, and recovered{_losses(repaired)}"
        report = gate.final_report(summary.end_ns).with_finding(Finding("warn", reason))
        changes = {"recovered": True}
        info = finish_episode(partial, summary, lambda _: report, gate.driving, changes)
        entry = {"event": "recovered", "messages": repaired.messages, "quality": report.verdict}
        return Recovered(store.commit(partial, entry), info, repaired)


def _losses(repaired: Repair) -> str:
    damaged = repaired.damaged_chunks
    return f", without {damaged} damaged chunks of it" if damaged else ""
