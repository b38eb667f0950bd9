"""``pushcell dagger``: the expert's demonstrations from the states that a policy reaches."""

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
from pushcell.demonstrations.dagger import ACTIONS_EACH, DaggerCollector
from pushcell.demonstrators.controller import Controller
from pushcell.errors import ConfigError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.zarr_format import write_zarr
from pushcell.processes.worker_pool import worker_count, worker_pool
from pushcell.recording.steps import Steps


@dataclass(frozen=True)
class DaggerOptions:
    """Run a policy in the source world and record how the expert continues from its states.

    Every 8 actions (0.8 s), the expert records a demonstration of 2.4 s from the current state,
    without noise. Without a policy, the expert itself drives, with noise. Each rollout depends only
    on the seed, its index and the policy.

    examples:
      pushcell dagger --rollouts 600 --seed 0 --out sets/dagger_0.zarr
      pushcell dagger --rollouts 400 --seed 1 --policy bundles/first --out sets/dagger_1.zarr
    """

    rollouts: int
    """Number of rollouts; each gives about ten to seventy short demonstrations."""
    out: Path
    """Output data set, a zarr group; it must not exist yet."""
    seed: int = 0
    """Seed of the random starts."""
    policy: Path | None = None
    """The name of a shipped policy, or the path of a bundle; it must not need cameras."""
    workers: int | None = None
    """Number of processes; by default one per CPU."""
    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises ConfigError and what stands in the way of the policy."""
    options = tyro.cli(DaggerOptions, prog="pushcell dagger", args=list(words))
    if options.rollouts < 1 or options.seed < 0:
        raise ConfigError("--rollouts must be at least 1, --seed at least 0")
    if options.out.exists():
        raise ConfigError(f"{options.out} is there already: choose another --out")
    began, shown, driven = time.monotonic(), 0, 0

    def demonstrations() -> Iterator[Demonstration]:
        nonlocal shown, driven
        console = console_beside(options.json)
        for steps in track(_rollouts(options), "rollouts", total=options.rollouts, console=console):
            driven += 1
            for demonstration in steps:
                yield Demonstration(f"demonstration_{shown}", demonstration)
                shown += 1

    write_zarr(demonstrations(), options.out)
    figures = {
        "rollouts": driven,
        "demonstrations": shown,
        "actions_each": ACTIONS_EACH,
        "seconds": time.monotonic() - began,
    }
    show_result(figures, figures_table(f"DAgger rollouts in {options.out}", figures), options.json)
    return 0


def _rollouts(options: DaggerOptions) -> Iterator[list[Steps]]:
    """One rollout after the other."""
    workers = min(worker_count(options.workers), options.rollouts)
    cell = load_cell(options.cell)
    pool = worker_pool(workers, _prepare, cell, options.seed, options.policy)
    try:
        yield from pool.map(_make, range(options.rollouts))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# A worker collects many rollouts; what is slow to build is built once.

_collector: DaggerCollector | None = None


def _prepare(cell: CellConfig, seed: int, policy: Path | None) -> None:
    global _collector
    _collector = DaggerCollector(
        cell, seed, None if policy is None else _controller(cell, seed, policy)
    )


def _make(index: int) -> list[Steps]:
    assert _collector is not None
    return _collector.collect(index)


def _controller(cell: CellConfig, seed: int, bundle: Path) -> Controller:
    from policy_server.bundle import load_policy  # the expert alone needs no bundles
    from policy_server.compatibility import check_fits_cell
    from pushcell.evaluation.bundle_controller import BundleController

    policy = load_policy(bundle)
    check_fits_cell(policy.manifest, cell, str(bundle))
    return BundleController(cell, policy, seed=seed)
