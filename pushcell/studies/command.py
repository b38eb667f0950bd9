"""``pushcell study``: a grid of trainings; what has been done is left.

``pushcell study delay`` is a study of its own: of one bundle under many delays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tyro.conf import Positional, arg

from pushcell import __version__
from pushcell.command_output import console_beside, show_result, write_json, write_picture
from pushcell.config.validation import read_schema
from pushcell.errors import ConfigError
from pushcell.processes.worker_pool import worker_count
from pushcell.recording.folder_lock import alone_in
from pushcell.shipped import STUDIES
from pushcell.studies.cell_run import CellRun
from pushcell.studies.estimate import estimate
from pushcell.studies.generated_sets import generate_sets
from pushcell.studies.grid import cells_of, sets_of
from pushcell.studies.picture import draw
from pushcell.studies.power_law import law_table, power_laws
from pushcell.studies.report import pooled, table
from pushcell.studies.run import completed
from pushcell.studies.schema import Changes, Study

RESULT, PICTURE = "study.json", "study.png"


@dataclass(frozen=True)
class RunStudy:
    """Generate, train, export and evaluate every cell of a grid.

    The folder contains study.json, study.png and, unless --store names another folder for them, the
    sets and a folder for each cell. The same command continues a study that was stopped; a cell
    whose inputs have not changed is not run again. A built-in study evaluates one bundle under many
    delays: see pushcell study delay --help.

    examples:
      pushcell study mixing --out runs/mixing --dry-run
      pushcell study mixing --out runs/mixing
      pushcell study delay target_state --out runs/delay
    """

    study: Positional[Path]
    """The name of a shipped study, such as mixing or sizes, or the path of a study file."""
    out: Path
    """Folder for the study."""
    store: Path | None = None
    """Folder for the sets and the cells; by default --out. Studies with the same store generate and
    train once what they have in common; cells that are complete there are skipped."""
    set: Changes = ()
    """Further changes of the training, as KEY=VALUE, for all cells."""
    trials: int | None = None
    """Trials of each cell; by default those of the study file."""
    dry_run: bool = False
    """Print the cells, and about how many hours and GB they take here, and run none."""
    workers: int | None = None
    """Number of cells at once, each with one thread; by default one per CPU."""
    ray: Annotated[str | None, arg(metavar="ADDRESS")] = None
    """Run the cells on a Ray cluster whose machines share the folder: its address, auto or
    local."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file as well; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; 1 where a cell failed. Raises ConfigError, and what generating raises."""
    if words and words[0] == "delay":
        from pushcell.evaluation.delay_command import main as delay

        return delay(words[1:])
    options = tyro.cli(RunStudy, prog="pushcell study", args=list(words))
    study = read_schema(Study, STUDIES.find(options.study))
    if options.trials is not None:
        if options.trials < 1:
            raise ConfigError(f"--trials must be at least 1, not {options.trials}")
        if study.evaluate is None:
            raise ConfigError(f"{options.study} evaluates no trials: leave --trials away")
        study = study.changed(evaluate=study.evaluate.changed(trials=options.trials))
    out = options.out.resolve()
    store = (options.store or out).resolve()
    cells = cells_of(study, store, options.set)
    runs = [CellRun(cell, study.evaluate, store) for cell in cells]
    console = console_beside(options.json)
    if options.dry_run:
        told = estimate(runs, sets_of(cells), store, worker_count(options.workers))
        console.print(told.table(study))
        write_json(told.describe(), options.json)
        return 0
    _require_folder(store, "--store")
    _open_folder(out, study)
    store.mkdir(parents=True, exist_ok=True)
    with alone_in(out):
        generate_sets(sets_of(cells), store, options.workers)
        return _run(study, runs, options, out)


def _run(study: Study, runs: list[CellRun], options: RunStudy, out: Path) -> int:
    console, began = console_beside(options.json), time.monotonic()
    new = sum(not run.complete for run in runs)
    rows, failed = [], {}
    with _progress_bar(console, len(runs)) as advance:
        for run, problem in completed(runs, worker_count(options.workers), options.ray):
            if problem:
                failed[run.cell.name] = problem
                console.print(f"failed: {run.cell.name}: {problem}", markup=False, soft_wrap=True)
            advance()
    rows = [run.row() for run in runs if run.cell.name not in failed]
    hours = (time.monotonic() - began) / 3600
    points, laws = pooled(rows), power_laws(rows)
    figures: dict[str, Any] = {
        "study": study.model_dump(mode="json"),
        "pushcell": __version__,
        "machine": {"cpus": os.cpu_count()},
        "store": str(runs[0].store),
        "cells": rows,
        "points": points,
        "power_laws": laws,
        "failed": failed,
        "hours": hours,
        "cells_per_hour": new / hours,
    }
    write_json(figures, out / RESULT)
    if points:
        write_picture(draw(study, points, laws), out / PICTURE, dpi=110)
    console.print(f"{new} cells in {hours:.2f} h; {out / RESULT}, {out / PICTURE}", highlight=False)
    show_result(figures, table(study, points), options.json)
    if laws:
        console.print(law_table(laws))
    return 1 if failed else 0


def _open_folder(out: Path, study: Study) -> None:
    """Make the folder, or raise ConfigError where it is another study's."""
    _require_folder(out, "--out")
    out.mkdir(parents=True, exist_ok=True)
    note = out / "title.txt"
    title = note.read_text(encoding="utf-8").strip() if note.exists() else None
    if title is None and any(out.iterdir()):
        raise ConfigError(f"--out {out} contains something else than a study: choose another")
    if title not in (None, study.title):
        raise ConfigError(f"--out {out} is of the study {title!r}: choose another folder")
    if title is None:
        note.write_text(f"{study.title}\n", encoding="utf-8")


def _require_folder(path: Path, option: str) -> None:
    """Raise ConfigError where it, or what it would be made in, is a file."""
    for part in (path, *path.parents):
        if part.is_file():
            raise ConfigError(f"{option} {path}: {part} is a file, and must be a folder")


@contextmanager
def _progress_bar(console: Console, total: int) -> Iterator[Callable[[], None]]:
    columns = (MofNCompleteColumn(), BarColumn(), TextColumn("cells"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
