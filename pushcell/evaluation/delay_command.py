"""``pushcell study delay``: how success and smoothness of every chunking bear delay."""

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
from pushcell.evaluation.delay_report import draw, figures, table
from pushcell.evaluation.delay_study import DelayStudy
from pushcell.evaluation.study_options import StudyOptions
from pushcell.processes.worker_pool import worker_count
from pushcell.shipped import POLICIES

PICTURE = "delay.png"


@dataclass(frozen=True, kw_only=True)
class StudyDelay(StudyOptions):
    """Run the same starts in the target world under every chunking and every delay.

    The output folder contains one line per trial and a picture. To continue an interrupted study,
    or to add trials, delays or chunkings, give the command again with the same folder.

    examples:
      pushcell study delay target_state --out runs/delay
      pushcell study delay BUNDLE --out DIR --chunking realtime --delays 0 0.2 --trials 200
    """

    policy: Positional[Path]
    """The name of a shipped policy, or the path of a bundle (folder or zip)."""
    chunking: tuple[str, ...] = ("receding", "asynchronous", "ensembling", "realtime")
    """How action chunks are joined; one or more."""
    delays: Annotated[tuple[str, ...], arg(metavar="SECONDS")] = (
        "0", "0.1", "0.2", "0.3", "0.5", "0.05,0.3", "0.1,0.5"
    )  # fmt: skip
    """Injected inference delays; LOW,HIGH for bursts of HIGH. Differences are against the first."""


def main(words: Sequence[str]) -> int:
    """Run the study; 0 when its trials were run, whatever they came to."""
    options = tyro.cli(StudyDelay, prog="pushcell study delay", args=list(words))
    seeds = options.seeds
    study = DelayStudy(
        load_cell(options.cell),
        POLICIES.find(options.policy),
        options.chunking,
        options.delays,
        options.time_step,
    )
    workers = worker_count(options.workers)
    began = time.monotonic()
    running = study.run(seeds, workers, options.out)
    total = len(study.conditions) * options.trials
    outcomes = list(track(running, "trials", total=total, console=console_beside(options.json)))
    shown = figures(study, outcomes, time.monotonic() - began)
    draw(shown, options.out / PICTURE)
    show_result(shown, table(shown), options.json)
    return 0
