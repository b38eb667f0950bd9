"""``pushcell robustness``: a card of what a bundle bears."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import track
from tyro.conf import Positional, UseAppendAction, arg

from pushcell.command_output import console_beside, show_result
from pushcell.config.cell import load_cell
from pushcell.errors import ConfigError
from pushcell.evaluation.robustness import RobustnessStudy, card, draw, table
from pushcell.processes.worker_pool import worker_count

PICTURE = "robustness.png"


@dataclass(frozen=True)
class Robustness:
    """Run the same starts in the target world under each shift and level, and under none.

    The output folder contains a report per condition, as of pushcell evaluate, and a picture. To
    continue an interrupted study, or to add shifts, give the command again with the same folder.

    examples:
      pushcell robustness target_image --out runs/robustness
      pushcell robustness BUNDLE --out DIR --shift camera goal=3 --trials 200
    """

    policy: Positional[str]
    """The name of a shipped policy, or the path of a bundle (folder or zip)."""
    out: Annotated[Path, arg(metavar="DIR")]
    """Folder for the reports and the picture."""
    shift: UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Shifts, as NAME for all its levels or NAME=LEVEL; by default all that the policy can be
    subject to: colour_mean, colour_randomisation, camera, centre_of_mass, goal, object."""
    trials: int = 25
    """Number of starts of each condition."""
    seed: int = 0
    """Seed of the first start; start i has this seed plus i."""
    workers: int | None = None
    """Number of processes; by default one per CPU."""
    time_step: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Time step of the physics; by default that of the cell file."""
    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the study; 0 when its trials were run, whatever they came to."""
    options = tyro.cli(Robustness, prog="pushcell robustness", args=list(words))
    if options.trials < 1 or options.seed < 0:
        raise ConfigError("--trials must be at least 1, --seed at least 0")
    seeds = range(options.seed, options.seed + options.trials)
    wanted = list(itertools.chain.from_iterable(options.shift))
    study = RobustnessStudy(
        load_cell(options.cell), options.policy, seeds, options.time_step, wanted
    )
    running = study.run(min(worker_count(options.workers), options.trials), options.out)
    console, total = console_beside(options.json), len(study.conditions)
    shown = card(study, dict(track(running, "worlds", total=total, console=console)))
    draw(shown, options.out / PICTURE)
    show_result(shown, table(shown), options.json)
    return 0
