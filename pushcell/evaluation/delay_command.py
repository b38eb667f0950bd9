"""``pushcell sweep delay``: how success and smoothness of every chunking bear delay."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import track
from tyro.conf import Positional, arg

from pushcell.command_output import console_beside, show_result
from pushcell.config.cell import load_cell
from pushcell.errors import ConfigError
from pushcell.evaluation.delay_report import draw, figures, table
from pushcell.evaluation.delay_study import DelayStudy
from pushcell.processes.worker_pool import worker_count
from pushcell.shipped import POLICIES

PICTURE = "delay.png"


@dataclass(frozen=True)
class SweepDelay:
    """Run the same starts in the target world under every chunking and every delay.

    The folder holds each trial's line and the picture; a study that was interrupted goes on there,
    and takes more trials, delays and chunkings when it is asked for them later.

    example:
      pushcell sweep delay target_state --out runs/delay
      pushcell sweep delay BUNDLE --out DIR --chunking realtime --delays 0 0.2 --trials 200
    """

    policy: Positional[Path]
    """A shipped policy's name, or a bundle's folder or zip."""
    out: Annotated[Path, arg(metavar="DIR")]
    """Where its trials are kept and its picture is drawn."""
    chunking: tuple[str, ...] = ("receding", "asynchronous", "ensembling", "realtime")
    """How chunks follow each other."""
    delays: Annotated[tuple[str, ...], arg(metavar="SECONDS")] = (
        "0", "0.1", "0.2", "0.3", "0.5", "0.05,0.3", "0.1,0.5"
    )  # fmt: skip
    """How long each chunk takes; LOW,HIGH for bursts of HIGH. Differences are to the first."""
    trials: int = 25
    """Starts of each condition."""
    seed: int = 0
    """Start i has this seed plus i."""
    workers: int | None = None
    """Processes; one a CPU by default."""
    time_step: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Of the physics; the cell's own by default."""
    cell: Path = Path("sim")
    """The cell: a shipped one's name, or the path of its file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures there too; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the study; 0 when its trials were run, whatever they came to."""
    options = tyro.cli(SweepDelay, prog="pushcell sweep delay", args=list(words))
    if options.trials < 1 or options.seed < 0:
        raise ConfigError("--trials must be at least 1, --seed at least 0")
    study = DelayStudy(
        load_cell(options.cell),
        POLICIES.find(options.policy),
        options.chunking,
        options.delays,
        options.time_step,
    )
    workers = worker_count(options.workers)
    seeds = range(options.seed, options.seed + options.trials)
    began = time.monotonic()
    running = study.run(seeds, workers, options.out)
    total = len(study.conditions) * options.trials
    outcomes = list(track(running, "trials", total=total, console=console_beside(options.json)))
    shown = figures(study, outcomes, time.monotonic() - began)
    draw(shown, options.out / PICTURE)
    show_result(shown, table(shown), options.json)
    return 0
