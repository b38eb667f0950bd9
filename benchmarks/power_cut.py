"""Cuts the power of a recording at random moments: what is missing after its recovery."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.table import Table

from benchmarks.disk_log import Operation, build, folder_after, read_log
from benchmarks.killed_recorder import ROOT, SECONDS, SIM_CELL
from benchmarks.synthetic_cell import Heard, live
from pushcell.bags.bag_reader import BagReader
from pushcell.config.cell import load_cell
from pushcell.recording.recovery import recover_all
from pushcell.recording.store import BAG_FILE, EpisodeStore
from pushcell.timing import Distribution

RECORDINGS, CUTS_EACH = 5, 20
PICTURE = (120, 160)
_ALLOWED_LOSS_S = 0.5


@dataclass(frozen=True)
class CutRecording:
    """What one recording did on the disk, and when it was told each message."""

    folder: Path
    operations: list[Operation]
    started_ns: int
    messages: list[Heard]
    told_ns: list[int]


@dataclass(frozen=True)
class Cut:
    """What a recovery gave back after one power cut."""

    lost_s: float
    holes: int


def record(scratch: Path, library: Path, picture: tuple[int, int]) -> CutRecording:
    """One recording from its start to its verdict, with its log."""
    folder, log = scratch / "episodes", scratch / "disk.log"
    environment = {"LD_PRELOAD": str(library), "DISK_LOG": str(log), "DISK_LOG_UNDER": str(folder)}
    words = [str(folder), str(SECONDS), *map(str, picture)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.killed_recorder", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    started, *lines = done.stdout.splitlines()
    told_ns = [int(1e9 * float(line.split()[1])) for line in lines]
    messages = list(live(load_cell(SIM_CELL), SECONDS, picture=picture))
    return CutRecording(
        folder, list(read_log(log)), int(1e9 * float(started.split()[1])), messages, told_ns
    )


def cut(recording: CutRecording, at_ns: int, rng: random.Random, scratch: Path) -> Cut:
    """Cut the power at a time of the steady clock, start again, and recover."""
    done = [operation for operation in recording.operations if operation.time_ns <= at_ns]
    left = scratch / "left"
    folder_after(done, recording.folder).restore(left, rng)
    store = EpisodeStore(left)
    recover_all(store, load_cell(SIM_CELL))
    kept = [message for episode in store.episodes() for message in _messages_of(episode)]
    told = recording.messages[: bisect_right(recording.told_ns, at_ns)]
    holes = len({tuple(message) for message in told[: len(kept)]} - set(kept))
    lost_ns = at_ns - recording.told_ns[len(kept)] if len(kept) < len(told) else 0
    return Cut(1e-9 * lost_ns, holes)


def _messages_of(episode: Path) -> list[tuple[str, int, bytes]]:
    with BagReader(episode / BAG_FILE) as bag:
        return [(m.topic, m.log_ns, m.cdr) for m in bag.messages()]


def cuts(count: int, seed: int, picture: tuple[int, int] = PICTURE) -> Iterator[Cut]:
    """Record once, and cut the power at random moments between its start and its end."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        recording = record(scratch, build(scratch), picture)
        for number in range(count):
            at_ns = rng.randint(recording.started_ns, recording.operations[-1].time_ns)
            (scratch / str(number)).mkdir()
            yield cut(recording, at_ns, rng, scratch / str(number))


def run() -> dict[str, Any]:
    """A hundred cuts of some recordings."""
    seeds = track(range(RECORDINGS), "recordings")
    found = [one for seed in seeds for one in cuts(CUTS_EACH, seed)]
    spread = Distribution.of([one.lost_s for one in found])
    return {
        "cuts": len(found),
        "recovered": sum(one.lost_s <= _ALLOWED_LOSS_S and not one.holes for one in found),
        "lost_p50_s": spread.p50,
        "lost_max_s": spread.max,
        "holes": sum(one.holes for one in found),
    }


def table(figures: dict[str, Any]) -> Table:
    """How many came back, and what is missing."""
    shown = Table(title=f"{figures['cuts']} power cuts of a recording", show_header=False)
    shown.add_row(f"recovered, at most {_ALLOWED_LOSS_S} s lost", str(figures["recovered"]))
    shown.add_row("lost, median", f"{figures['lost_p50_s']:.2f} s")
    shown.add_row("lost, most", f"{figures['lost_max_s']:.2f} s")
    shown.add_row("messages missing before that", str(figures["holes"]))
    return shown


def good(figures: dict[str, Any]) -> bool:
    """All of them are recovered."""
    return figures["recovered"] == figures["cuts"]
