"""``pushcell evaluate``: how often it succeeds."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.progress import track
from tyro.conf import Positional, arg

from pushcell.command_output import console_beside, show_result
from pushcell.config import load_cell
from pushcell.errors import ConfigError
from pushcell.evaluation.report import draw_starts, figures, table
from pushcell.evaluation.trial import Evaluation
from pushcell.evaluation.workers import run_trials


@dataclass(frozen=True)
class Evaluate:
    """Run trials from random starts and tell how many succeed.

    Each trial depends on its seed alone, not on how many workers there are.

    example:
      pushcell evaluate planner --world target --trials 200 --seed 0 --json planner.json
    """

    policy: Positional[str]
    """Who pushes: planner, operator."""
    world: Literal["source", "target"]
    """Source: quasi-static; target: full contact physics."""
    trials: int = 200
    """How many."""
    seed: int = 0
    """Trial i has this seed plus i."""
    workers: int | None = None
    """Processes; one a CPU by default."""
    time_step: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Of the target world's physics; the cell's own by default."""
    picture: Annotated[Path | None, arg(metavar="FILE.png")] = None
    """Draw the starts there, coloured by outcome."""
    cell: Path = Path("config/cell.sim.yaml")
    """The cell's description."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures there too; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; 0 when the trials were run, whatever they came to."""
    options = tyro.cli(Evaluate, prog="pushcell evaluate", args=list(words))
    if options.trials < 1 or (options.workers or 1) < 1 or options.seed < 0:
        raise ConfigError("--trials and --workers must be at least 1, --seed at least 0")
    evaluation = Evaluation(
        load_cell(options.cell), options.policy, options.world, options.time_step
    )
    workers = min(options.workers or len(os.sched_getaffinity(0)), options.trials)
    seeds = range(options.seed, options.seed + options.trials)
    began = time.monotonic()
    running = run_trials(evaluation, seeds, workers)
    console = console_beside(options.json)
    trials = list(track(running, "trials", total=options.trials, console=console))
    shown = {**figures(evaluation, trials), "seconds": time.monotonic() - began}
    if options.picture is not None:
        draw_starts(evaluation, trials, options.picture)
    show_result(shown, table(shown), options.json)
    return 0
