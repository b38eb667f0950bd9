"""Brings back the episodes whose recording was cut off: every whole message of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.mcap_repair import Repair, repair
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.finalize import finish_episode
from pushcell.recording.folder_lock import alone_in
from pushcell.recording.quality import review
from pushcell.recording.quality_report import QualityFinding
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
        """One sentence for the operator: what was recovered, or why it could not be."""
        if self.problem:
            name, where = self.path.name, self.path.parent.name
            did = "stays" if name.endswith(PARTIAL) else f"was put aside in {where}"
            return f"{name} could not be recovered and {did}: {self.problem}"
        if self.info is None:
            return f"{self.path.name} held no message and was put aside"
        return (
            f"{self.path.name} was cut off and is recovered: {self.repaired.messages} messages"
            f"{_losses(self.repaired)}"
        )


def recover_all(store: EpisodeStore, cell: CellConfig) -> list[Recovered]:
    """Every partial recording in a folder; what is too damaged is put aside, with the reason.

    Raises EpisodeError while somebody writes there. Partial episodes of other origins have no
    ``episode.yaml`` yet: who makes them writes them anew.
    """
    with alone_in(store.folder):
        partials = sorted(store.folder.glob(f"*{PARTIAL}/{INFO_FILE}"))
        return [_recovered(store, path.parent, cell) for path in partials]


def _recovered(store: EpisodeStore, partial: Path, cell: CellConfig) -> Recovered:
    try:
        try:
            return _recover(store, partial, cell)
        except OSError:
            raise
        # Whatever a damaged recording leads to, it must not keep the others from their recovery.
        except Exception as error:  # noqa: BLE001
            problem = str(error) or repr(error)
            return Recovered(store.put_aside(partial, "put aside", problem), problem=problem)
    except OSError as error:
        # Of the disk, not of the recording: another start may do better.
        return Recovered(partial, problem=str(error))


def _recover(store: EpisodeStore, partial: Path, cell: CellConfig) -> Recovered:
    bag_path = partial / BAG_FILE
    try:
        repaired = repair(bag_path)
    except (EpisodeError, FileNotFoundError):
        repaired = _NOTHING
    if repaired.damaged_chunks and not repaired.messages:
        raise EpisodeError(f"all of its {repaired.damaged_chunks} chunks are damaged")
    if not repaired.messages:
        return Recovered(store.put_aside(partial, "put aside", "it held no message"))
    with BagReader(bag_path) as bag:
        summary, gate = bag.summary, review(bag, cell)
    reason = f"the recording was cut off, and recovered{_losses(repaired)}"
    report = gate.final_report(summary.end_ns).with_finding(QualityFinding("warn", reason))
    changes = {"recovered": True}
    info = finish_episode(partial, summary, lambda _: report, gate.control_log, changes)
    entry = {"event": "recovered", "messages": repaired.messages, "quality": report.verdict}
    return Recovered(store.commit(partial, entry), info, repaired)


def _losses(repaired: Repair) -> str:
    damaged = repaired.damaged_chunks
    return f", without {damaged} damaged chunks of it" if damaged else ""
