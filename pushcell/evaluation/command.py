"""``pushcell evaluate``: how often it succeeds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import tyro
from rich.progress import track
from tyro.conf import Positional, UseAppendAction, arg

from policy_server.delay import InjectedDelay
from pushcell import old_names
from pushcell.command_output import console_beside, nothing_done, show_result
from pushcell.config.cell import load_cell
from pushcell.errors import ConfigError
from pushcell.evaluation.failure_sheets import FailureSheets, causes_table
from pushcell.evaluation.pictures import Drawn, Ground, draw_failures, draw_starts
from pushcell.evaluation.report import figures, table, void_reasons
from pushcell.evaluation.trial import Evaluation, Motion
from pushcell.evaluation.workers import SeededTrials, run_trials
from pushcell.processes.worker_pool import worker_count
from pushcell.simulation.shifts import Shifts, World

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluate:
    """Run trials from random starts and print the success rate.

    Each trial depends only on its seed, not on the number of workers.

    examples:
      pushcell evaluate planner --world target --trials 200 --seed 0 --json planner.json
      pushcell evaluate target_state --world target --delay 0.2 --chunking realtime
    """

    policy: Positional[str]
    """The name of a shipped policy (target_image, recorded_image, target_state, pusht_image,
    pusht_state), the path of a bundle (folder or zip), or a demonstrator: planner,
    scripted_operator or memoryless_expert."""
    world: Literal["source", "target", "pusht"]
    """source: quasi-static; target: full contact physics; pusht: the Push-T benchmark,
    only for policies trained on it."""
    trials: int = 200
    """Number of trials."""
    seed: int = 0
    """Seed of the first trial; trial i has this seed plus i."""
    workers: int | None = None
    """Number of processes; by default one per CPU."""
    time_step: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Time step of the target world's physics; by default that of the cell file."""
    chunking: str | None = None
    """How a bundle's action chunks are joined: receding (default), asynchronous, ensembling[:K] or
    realtime."""
    delay: Annotated[str | None, arg(metavar="SECONDS")] = None
    """Injected inference delay of each chunk; LOW,HIGH for a low delay with bursts of a high
    one."""
    shift: UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Shift the world, as NAME=LEVEL, such as camera=2: as in pushcell generate. A bundle's run
    time has camera_bump, latency and frame_loss, with the levels 1 to 4. Starts stay the same, so
    pushcell compare pairs the trials with those of no shift."""
    motion: Motion = "guarded"
    """How a bundle moves the pusher. guarded: through the robot's checks and filter; direct:
    straight from action to action, like the demonstrators."""
    failures: Annotated[Path | None, arg(metavar="FILE.png")] = None
    """Write a picture of the paths of failed trials."""
    failure_sheets: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Run the failed trials of a policy from images once more, and write a contact sheet of each,
    by cause: what it saw, and where it took the slider to be."""
    picture: Annotated[Path | None, arg(metavar="FILE.png")] = None
    """Write a picture of the starts, coloured by outcome."""
    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; 0 when trials were run, whatever they came to, 1 when all were void."""
    options = tyro.cli(Evaluate, prog="pushcell evaluate", args=list(words))
    policy = old_names.renamed(options.policy, old_names.DEMONSTRATORS, "pushcell evaluate")
    options = replace(options, policy=policy)
    if options.trials < 1 or options.seed < 0:
        raise ConfigError("--trials must be at least 1, --seed at least 0")
    delay = InjectedDelay.parse(options.delay) if options.delay else InjectedDelay()
    workers = min(worker_count(options.workers), options.trials)
    seeds = range(options.seed, options.seed + options.trials)
    if options.world == "pusht":
        _evaluate_pusht(options, delay, seeds, workers)
        return 0
    return _evaluate_cell(options, delay, seeds, workers)


def _evaluate_cell(options: Evaluate, delay: InjectedDelay, seeds: range, workers: int) -> int:
    world: World = "source" if options.world == "source" else "target"
    cell = load_cell(options.cell)
    evaluation = Evaluation(
        cell,
        options.policy,
        world,
        options.time_step,
        options.chunking,
        delay,
        options.motion,
        Shifts.parse(itertools.chain.from_iterable(options.shift)),
    )
    sheets = FailureSheets(evaluation, folder) if (folder := options.failure_sheets) else None
    trials, seconds = _run(evaluation, options, seeds, workers)
    if all(trial.void for trial in trials):
        why = f"all {len(trials)} trials were void: {void_reasons(trials)}"
        return nothing_done("evaluated", why, options.json)
    shown = {**figures(evaluation, trials), "seconds": seconds}
    following = f"pushcell launch rollout.launch.yaml policy:={options.policy}"
    show_result(shown, table(shown), options.json, following)
    trials = [trial for trial in trials if not trial.void]
    _draw(evaluation.ground, trials, options)
    failed = [trial.seed for trial in trials if not trial.success]
    if sheets is not None and failed:
        watched = list(_shown(run_trials(sheets, failed, workers), "sheets", len(failed), options))
        console_beside(options.json).print(causes_table(watched))
    return 0


def _evaluate_pusht(options: Evaluate, delay: InjectedDelay, seeds: range, workers: int) -> None:
    from pushcell.evaluation import pusht

    if options.shift:
        raise ConfigError("--world pusht has no --shift: it is the benchmark's own")
    if options.failure_sheets:
        raise ConfigError("--world pusht has no --failure-sheets: --failures draws its paths")
    if options.time_step or options.motion != "guarded":
        raise ConfigError("--world pusht has no --time-step and no --motion: nothing guards it")
    evaluation = pusht.PushTEvaluation(options.policy, options.chunking or "receding", delay)
    trials, seconds = _run(evaluation, options, seeds, workers)
    shown = {**pusht.figures(evaluation, trials), "seconds": seconds}
    show_result(shown, pusht.table(shown), options.json)
    _draw(evaluation.ground, trials, options)


def _draw(ground: Ground, trials: Sequence[Drawn], options: Evaluate) -> None:
    """The pictures that were asked for."""
    if options.picture is not None:
        draw_starts(ground, trials, options.picture)
    if options.failures is not None:
        draw_failures(ground, trials, options.failures)


def _run(
    evaluation: SeededTrials[T], options: Evaluate, seeds: range, workers: int
) -> tuple[list[T], float]:
    """The trials, and how long they took [s]."""
    began = time.monotonic()
    running = run_trials(evaluation, seeds, workers)
    trials = list(_shown(running, "trials", options.trials, options))
    return trials, time.monotonic() - began


def _shown(running: Iterable[T], what: str, total: int, options: Evaluate) -> Iterable[T]:
    """With a bar of progress."""
    return track(running, what, total=total, console=console_beside(options.json))
