"""``pushcell lessons``: demonstrations of how to go on from where a student gets to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import track
from tyro.conf import arg

from pushcell.command_output import console_beside, figures_table, show_result
from pushcell.config.cell import CellConfig, load_cell
from pushcell.demonstrations.dagger import SHOWN, Lessons
from pushcell.demonstrators.controller import Controller
from pushcell.errors import ConfigError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.zarr_format import write_zarr
from pushcell.processes.worker_pool import worker_count, worker_pool
from pushcell.recording.steps import Steps


@dataclass(frozen=True)
class LessonsOptions:
    """Run a policy in the source world and record how the expert continues from its states.

    From every eighth state, the expert records a short demonstration without noise. Without a
    policy, the expert drives with noise. Each run depends only on the seed, its index and the
    policy.

    examples:
      pushcell lessons --lessons 600 --seed 0 --out sets/lessons_0.zarr
      pushcell lessons --lessons 400 --seed 1 --student bundles/first --out sets/lessons_1.zarr
    """

    lessons: int
    """Number of runs; each gives about ten to seventy short demonstrations."""
    out: Path
    """Output data set, a zarr group; it must not exist yet."""
    seed: int = 0
    """Seed of the random starts."""
    student: Path | None = None
    """Path of a bundle that needs no camera."""
    workers: int | None = None
    """Number of processes; by default one per CPU."""
    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises ConfigError and what stands in the way of the student."""
    options = tyro.cli(LessonsOptions, prog="pushcell lessons", args=list(words))
    if options.lessons < 1 or options.seed < 0:
        raise ConfigError("--lessons must be at least 1, --seed at least 0")
    if options.out.exists():
        raise ConfigError(f"{options.out} is there already: choose another --out")
    began, shown, driven = time.monotonic(), 0, 0

    def demonstrations() -> Iterator[Demonstration]:
        nonlocal shown, driven
        console = console_beside(options.json)
        for steps in track(_made(options), "lessons", total=options.lessons, console=console):
            driven += 1
            for demonstration in steps:
                yield Demonstration(f"demonstration_{shown}", demonstration)
                shown += 1

    write_zarr(demonstrations(), options.out)
    figures = {
        "lessons": driven,
        "demonstrations": shown,
        "actions_each": SHOWN,
        "seconds": time.monotonic() - began,
    }
    show_result(figures, figures_table(f"lessons in {options.out}", figures), options.json)
    return 0


def _made(options: LessonsOptions) -> Iterator[list[Steps]]:
    """One lesson after the other."""
    workers = min(worker_count(options.workers), options.lessons)
    cell = load_cell(options.cell)
    pool = worker_pool(workers, _prepare, cell, options.seed, options.student)
    try:
        yield from pool.map(_make, range(options.lessons))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# A worker gives many lessons; what is slow to build is built once.

_lessons: Lessons | None = None


def _prepare(cell: CellConfig, seed: int, student: Path | None) -> None:
    global _lessons
    _lessons = Lessons(cell, seed, None if student is None else _driving(cell, seed, student))


def _make(index: int) -> list[Steps]:
    assert _lessons is not None
    return _lessons.make(index)


def _driving(cell: CellConfig, seed: int, bundle: Path) -> Controller:
    from policy_server.bundle import load_policy  # a teacher alone needs no policies
    from policy_server.compatibility import check_fits_cell
    from pushcell.evaluation.bundle_controller import BundleController

    policy = load_policy(bundle)
    check_fits_cell(policy.manifest, cell, str(bundle))
    return BundleController(cell, policy, seed=seed)
