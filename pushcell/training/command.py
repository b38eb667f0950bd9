"""``pushcell train``: from data sets to a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tyro.conf import Positional, arg

from pushcell.command_output import console_beside, figures_table, show_result
from pushcell.errors import TrainingError
from pushcell.training.config import TrainConfig, load_train_config

_MAY_CHANGE = ("device", "log")


@dataclass(frozen=True)
class Train:
    """Train a policy. Ctrl-C or SIGTERM stops it (exit code 130); --resume continues it.

    A resumed run has the same losses as an uninterrupted one.

    examples:
      pushcell train pusht_state --out runs/pusht_state
      pushcell train pusht_state --out runs/pusht_state --resume
      pushcell train pusht_state --out runs/seed_1 --set seed=1
    """

    config: Positional[Path]
    """The name of a shipped training, such as target_state, or the path of a training file; a wrong
    name lists all."""
    out: Path | None = None
    """Folder for checkpoints and losses; by default runs/train/<name of the training>."""
    resume: bool = False
    """Continue from the last checkpoint in the folder."""
    device: Literal["auto", "cpu", "cuda"] | None = None
    """Processor to train on; by default device.accelerator of the training file."""
    set: tuple[str, ...] = ()
    """Change values of the training file, as KEY=VALUE."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; 0 when all steps are done, 130 when it was interrupted."""
    options = tyro.cli(Train, prog="pushcell train", args=list(words))
    device = (f"device.accelerator={options.device}",) if options.device else ()
    config = load_train_config(options.config, (*options.set, *device))
    folder = options.out or Path("runs") / "train" / options.config.stem

    from pushcell.training.checkpoint import Checkpoint
    from pushcell.training.trainer import LAST, train

    checkpoint = None
    if options.resume:
        checkpoint = Checkpoint.load(folder / LAST)
        _check_same(config, checkpoint.train_config(folder / LAST), folder / LAST)
    elif (folder / LAST).exists():
        raise TrainingError(
            f"{folder} contains a run: go on with --resume, or choose another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    began, first = time.monotonic(), checkpoint.step if checkpoint else 0
    told_s, told = began, first  # when a loss was told last, and at which step
    columns = (
        MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
    )  # fmt: skip
    with Progress(*columns, console=console_beside(options.json)) as bar:
        task = bar.add_task("", total=config.training.steps, completed=first)

        def on_progress(step: int, values: dict[str, float]) -> None:
            bar.update(task, completed=step)
            if "loss" in values:
                nonlocal told_s, told
                rate = (step - told) * config.training.batch_size / (time.monotonic() - told_s)
                told_s, told = time.monotonic(), step
                bar.update(task, description=f"loss {values['loss']:.4g}, {rate:.0f} samples/s")

        outcome = train(config, folder, checkpoint, on_progress)
    if outcome is None:
        return 0
    seconds = time.monotonic() - began
    figures = {
        "steps": outcome.training_steps,
        "loss": outcome.loss,
        "validation": outcome.validation,
        "parameters": outcome.parameters,
        "seconds": seconds,
        "steps_per_second": (outcome.training_steps - first) / seconds,
        "checkpoint": str(folder / LAST),
    }
    table = figures_table(f"trained into {folder}", figures)
    following = f"pushcell export {folder / LAST} --out bundles/{folder.name}"
    show_result(figures, table, options.json, following if outcome.finished else "")
    return 0 if outcome.finished else 130


def _check_same(config: TrainConfig, other: TrainConfig, path: Path) -> None:
    """Raise TrainingError unless a checkpoint's run is the one that shall go on."""
    for key in type(config).model_fields:
        if key not in _MAY_CHANGE and getattr(config, key) != getattr(other, key):
            raise TrainingError(
                f"{path} was trained with {key}: {getattr(other, key)!r}, the configuration says "
                f"{getattr(config, key)!r}: change it back, or train anew into another --out"
            )
