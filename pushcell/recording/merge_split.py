"""Folders of episodes put together, and episodes cut into parts; what was there stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagWriter
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.finalize import finish_episode
from pushcell.recording.folder_lock import alone_in
from pushcell.recording.quality import review
from pushcell.recording.store import (
    BAG_FILE,
    PARTIAL,
    EpisodeStore,
    find_episodes,
    naming_a_full_disk,
    write_durably,
)

_NS = 10**9


def merge(folders: Sequence[Path], out: Path) -> list[Path]:
    """Copy the episodes of some folders into a new one; of equal names the later get a number."""
    if out.exists():
        raise EpisodeError(f"{out} is there already: choose another --out")
    store = EpisodeStore(out)
    with alone_in(out):
        try:
            episodes = [path for folder in folders for path in find_episodes(folder)]
            return [_merged(store, episode) for episode in episodes]
        except BaseException:
            shutil.rmtree(out)  # or the same command could not be run again
            raise


def _merged(store: EpisodeStore, episode: Path) -> Path:
    name, number = episode.name, 1
    while (store.folder / name).exists():
        number += 1
        name = f"{episode.name}_{number}"
    partial = store.folder / (name + PARTIAL)
    with naming_a_full_disk(f"episode {name} in {store.folder}"):
        shutil.copytree(episode, partial)
        info = EpisodeInfo.load(partial).model_copy(update={"name": name})
        write_durably(partial / INFO_FILE, info.to_yaml().encode())
        return store.commit(partial, {"event": "merged", "from": str(episode)})


def split(episode: Path, at_s: Sequence[float], cell: CellConfig) -> list[Path]:
    """Write the parts of an episode beside it, as NAME_part1 and so on; times from its start.

    Raises EpisodeError for times that are not inside the episode, in their order; all parts are
    there, or none.
    """
    store = EpisodeStore(episode.parent)
    with alone_in(episode.parent), BagReader(episode / BAG_FILE) as bag:
        start_ns, end_ns = bag.summary.start_ns, bag.summary.end_ns
        cuts = [start_ns, *(start_ns + round(time_s * _NS) for time_s in at_s), end_ns + 1]
        if any(a >= b for a, b in pairwise(cuts)):
            raise EpisodeError(
                f"{episode} lasts {(end_ns - start_ns) / _NS:.1f} s: --at needs times inside it, "
                f"one after the other, not {' '.join(f'{time_s:g}' for time_s in at_s)}"
            )
        spans = list(pairwise(cuts))
        paths = [episode.with_name(f"{episode.name}_part{k + 1}") for k in range(len(spans))]
        partials = [path.with_name(path.name + PARTIAL) for path in paths]
        for path in (*paths, *partials):
            if path.exists():
                raise EpisodeError(f"{path} is there already: move it away first")
        try:
            for partial, span in zip(partials, spans, strict=True):
                with naming_a_full_disk(f"a part of episode {episode.name}"):
                    _write_part(episode, bag, partial, span, cell)
        except BaseException:
            for partial in partials:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        entry = {"event": "split", "from": episode.name}
        return [store.commit(partial, entry) for partial in partials]


def _write_part(
    episode: Path, bag: BagReader, partial: Path, span: tuple[int, int], cell: CellConfig
) -> None:
    partial.mkdir()
    shutil.copy(episode / INFO_FILE, partial / INFO_FILE)
    _copy_span(bag, partial / BAG_FILE, span)
    with BagReader(partial / BAG_FILE) as part:
        gate, summary = review(part, cell), part.summary
    report = gate.final_report(summary.end_ns)
    changes = {
        "name": partial.name.removesuffix(PARTIAL),
        "verdict": "unjudged",
        "reason": f"a part of {episode.name}",
    }
    finish_episode(partial, summary, lambda _: report, gate.control_log, changes)


def _copy_span(bag: BagReader, path: Path, span: tuple[int, int]) -> None:
    """The messages of that time; what is told once, before it, is told at its start."""
    start_ns, end_ns = span
    once = {topic for topic, count in bag.counts.items() if count == 1}
    with path.open("wb") as stream:
        writer = BagWriter(stream, bag.summary.topics)
        for message in bag.messages():
            if start_ns <= message.log_ns < end_ns:
                writer.add(*message)
            elif message.topic in once and message.log_ns < start_ns:
                writer.add(message.topic, start_ns, message.cdr)
        writer.close(BAG_FILE)
        stream.flush()
        os.fsync(stream.fileno())
