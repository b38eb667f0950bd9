"""Adversarial sequences at the motion path, under a checker that shares no code with it.

A sequence is made of its number alone, so that one that found something can be thrown again. With
``--resume FILE`` each batch becomes a line of that file, and the next run goes on behind the last.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import load_cell
from pushcell.motion.guard import Source
from pushcell.processes.worker_pool import worker_count, worker_pool
from pushcell.shipped import CELLS
from tests.motion.adversary import Adversary
from tests.motion.rig import Rig

BATCH = 50
MOST_ACTS = 16
_DRIVEN = 0.4  # share of acts that only drive, so that the others meet a pusher that moves
_BAD = (np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0)

Draw = Callable[[np.random.Generator], object]


def _point(rng: np.random.Generator) -> tuple[float, ...]:
    """A place [m], near or far; one of ten coordinates is none."""
    return tuple(rng.choice(_BAD) if rng.random() < 0.1 else v for v in rng.uniform(-0.3, 1.5, 2))


def _offset(size_m: float) -> Draw:
    return lambda rng: tuple(rng.uniform(-size_m, size_m, 2))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _nothing(_: np.random.Generator) -> None:
    return None


# What is done, for how many ticks at least and at most, and its detail.
ACTS: list[tuple[str, int, int, Draw]] = [
    ("way", 5, 40, _offset(0.3)),
    ("step", 1, 20, _point),
    ("noise", 3, 20, _seed),
    ("teleop", 1, 30, _offset(0.05)),
    ("teleop_step", 1, 10, _point),
    ("burst", 1, 10, _seed),
    ("old", 1, 10, lambda rng: rng.uniform(-1, 5)),
    ("gap", 1, 30, _nothing),
    ("select", 1, 5, lambda rng: list(Source)[rng.integers(len(Source))]),
    ("deadman", 1, 25, lambda rng: bool(rng.integers(2))),
    ("publishers", 1, 3, lambda rng: int(rng.integers(4))),
    ("stop", 1, 10, _nothing),
    ("no_arm", 1, 15, _nothing),
    ("time_jump", 1, 5, lambda rng: rng.uniform(-10, 10)),
]


def sequence(number: int) -> Iterator[tuple[str, int, object]]:
    """The acts of one sequence."""
    rng = np.random.default_rng(number)
    for _ in range(rng.integers(1, MOST_ACTS + 1)):
        act = 0 if rng.random() < _DRIVEN else rng.integers(len(ACTS))
        what, least, most, detail = ACTS[act]
        yield what, int(rng.integers(least, most + 1)), detail(rng)


def throw(cell: str, first: int) -> dict[str, Any]:
    """One batch, from a number on: what it did, and the sequences that found something."""
    path = CELLS.find(cell)
    loaded = load_cell(path)
    kinematics, text = ArmKinematics(loaded), path.read_text(encoding="utf-8")
    ticks, moved_m, found = 0, 0.0, {}
    for number in range(first, first + BATCH):
        adversary = Adversary(Rig(loaded, kinematics, require_deadman=True))
        try:
            for act in sequence(number):
                adversary.do(*act)
            violated = adversary.violations(text)
        except Exception as error:  # noqa: BLE001 - the guard must not raise, whatever it is
            violated = [repr(error)]
        ticks += sum(len(tips) for tips, _ in adversary.pieces)
        moved_m += adversary.moved_m
        if violated:
            found[str(number)] = violated
    return {"cell": cell, "first": first, "ticks": ticks, "moved_m": moved_m, "found": found}


def run(seconds: float = 60.0, resume: str | None = None, cell: str = "sim") -> dict[str, Any]:
    """As many batches as there is time for, on every CPU."""
    log = None if resume is None else Path(resume)
    batches = [] if log is None else [b for b in _thrown(log) if b["cell"] == cell]
    done = {batch["first"] for batch in batches}
    left = (first for first in count(0, BATCH) if first not in done)
    until, workers = time.monotonic() + seconds, worker_count(None)
    with worker_pool(workers) as pool:
        thrown = {pool.submit(throw, cell, next(left)) for _ in range(workers)}
        while thrown:
            ended, thrown = wait(thrown, return_when=FIRST_COMPLETED)
            for future in ended:
                batches.append(future.result())
                if log is not None:
                    with log.open("a", encoding="utf-8") as file:
                        file.write(f"\n{json.dumps(batches[-1])}")
                if time.monotonic() < until:
                    thrown.add(pool.submit(throw, cell, next(left)))
    return {
        "cell": cell,
        "sequences": BATCH * len(batches),
        "ticks": sum(batch["ticks"] for batch in batches),
        "moved_m": sum(batch["moved_m"] for batch in batches),
        "found": {number: what for b in batches for number, what in b["found"].items()},
    }


def _thrown(log: Path) -> Iterator[dict[str, Any]]:
    """The batches of a file; the half line of a run that was killed is thrown again."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return (json.loads(line) for line in lines if line.endswith("}}"))


def table(figures: dict[str, Any]) -> Table:
    """What was thrown, and a row for each sequence that found something."""
    shown = Table(
        title=f"{figures['sequences']} sequences, {figures['ticks']} ticks, "
        f"{figures['moved_m']:.0f} m: {len(figures['found'])} beyond a limit"
    )
    shown.add_column("sequence", justify="right")
    shown.add_column("found")
    for number, found in figures["found"].items():
        shown.add_row(number, "; ".join(found))
    return shown


def good(figures: dict[str, Any]) -> bool:
    """Whether nothing came out beyond a limit."""
    return not figures["found"]
