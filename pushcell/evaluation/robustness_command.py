"""``pushcell robustness``: a card of what a bundle bears."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import tyro
from rich.progress import track
from tyro.conf import Positional, UseAppendAction

from pushcell.command_output import console_beside, show_result
from pushcell.config.cell import load_cell
from pushcell.evaluation.robustness import RobustnessStudy, card, draw, table
from pushcell.evaluation.study_options import StudyOptions
from pushcell.processes.worker_pool import worker_count

PICTURE = "robustness.png"


@dataclass(frozen=True, kw_only=True)
class Robustness(StudyOptions):
    """Run the same starts in the target world under each shift and level, and under none.

    The output folder contains a report per condition, as of pushcell evaluate, and a picture. To
    continue an interrupted study, or to add shifts, give the command again with the same folder.

    examples:
      pushcell robustness target_image --out runs/robustness
      pushcell robustness BUNDLE --out DIR --shift camera goal=3 --trials 200
    """

    policy: Positional[str]
    """The name of a shipped policy, or the path of a bundle (folder or zip)."""
    shift: UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Shifts, as NAME for all its levels or NAME=LEVEL; by default all that the policy can be
    subject to: colour_mean, colour_randomisation, camera, centre_of_mass, goal, object,
    camera_bump, latency, frame_loss."""


def main(words: Sequence[str]) -> int:
    """Run the study; 0 when its trials were run, whatever they came to."""
    options = tyro.cli(Robustness, prog="pushcell robustness", args=list(words))
    seeds = options.seeds
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
