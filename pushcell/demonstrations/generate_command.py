"""``pushcell generate``: simulated demonstrations by the thousand."""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from tyro.conf import UseAppendAction, arg

from pushcell import old_names
from pushcell.command_output import console_beside, figures_table, show_result
from pushcell.config.cell import CellConfig, load_cell
from pushcell.demonstrations.generate import GenerationProgress, Workers, generate
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.demonstrations.process_workers import generated_by_processes
from pushcell.demonstrations.summary import draw_summary
from pushcell.errors import ConfigError
from pushcell.processes.worker_pool import worker_count
from pushcell.recording.store import EpisodeStore
from pushcell.simulation.shifts import Shifts


@dataclass(frozen=True)
class Generate:
    """Generate simulated demonstrations.

    Each episode depends only on the seed and its index, not on the number of workers. To continue
    an interrupted run, give the same command again.

    example:
      pushcell generate --world source --demonstrator planner --episodes 2000 --seed 1 --out sets/a
    """

    world: Literal["source", "target"]
    """source: quasi-static, plain images; target: full contact physics, lights and shadows."""
    demonstrator: str
    """The demonstrator: planner, scripted_operator or memoryless_expert."""
    episodes: int
    """Number of episodes in the folder at the end."""
    out: Path
    """Output folder; it is created if it does not exist."""
    seed: int = 0
    """Seed of the random starts."""
    shift: UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Shift the world, as NAME=LEVEL, such as camera=2. colour_mean, colour_randomisation, camera,
    centre_of_mass and goal have the levels 1 to 4; object has t, triangle, box, pentagon, hexagon,
    cross and s."""
    noise: Annotated[float, arg(metavar="METRES")] = 0.0
    """Standard deviation, in x and in y, of the noise added to the demonstrator's actions; the
    action without noise is recorded."""
    visual_gap: bool = True
    """--no-visual-gap renders the source world like the target world."""
    physics_gap: bool = True
    """--no-physics-gap gives the source world the physics of the target world."""
    images: bool = True
    """Record the images of both cameras, 128 x 128 px."""
    workers: int | None = None
    """Number of processes on this machine, or with --ray of actors on the cluster; by default one
    per CPU."""
    ray: Annotated[str | None, arg(metavar="ADDRESS")] = None
    """Run on a Ray cluster: its address, auto or local."""
    start_box: tuple[float, float] = (0.35, 0.5)
    """Size in x and y (m) of the box around the goal in which the slider starts."""
    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises EpisodeError and ConfigError."""
    options = tyro.cli(Generate, prog="pushcell generate", args=list(words))
    if options.episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, not {options.episodes}")
    shifts = Shifts.parse(
        itertools.chain.from_iterable(options.shift), options.visual_gap, options.physics_gap
    )
    cell = _with_start_box(load_cell(options.cell), options.start_box)
    config = GenerationConfig(
        cell,
        options.world,
        old_names.renamed(options.demonstrator, old_names.DEMONSTRATORS, "--demonstrator"),
        options.seed,
        shifts,
        options.noise,
        options.images,
    )
    began = time.monotonic()
    with _progress_bar(console_beside(options.json), options.episodes) as on_progress:
        done = generate(config, options.out, options.episodes, _workers(options), on_progress)
    seconds = time.monotonic() - began
    draw_summary(cell, EpisodeStore(options.out), options.out / "summary.png")
    figures = {
        "episodes": done.complete,
        "failed": done.failed,
        "seconds": seconds,
        "real_time_factor": done.simulated_s / seconds,
    }
    title = f"{options.world} episodes in {options.out}"
    following = f"pushcell convert {options.out} --to packed --out {options.out}.parquet"
    show_result(figures, figures_table(title, figures), options.json, following)
    return 0


def _with_start_box(cell: CellConfig, size_m: tuple[float, float]) -> CellConfig:
    if not all(0 < size < math.inf for size in size_m):
        raise ConfigError(f"--start-box must be positive, not {size_m}")
    return cell.changed(task=cell.task.changed(start_box_m=size_m).model_dump())


def _workers(options: Generate) -> Workers:
    workers = worker_count(options.workers)
    if options.ray is None:
        return functools.partial(generated_by_processes, workers=workers)
    from pushcell.demonstrations.ray_workers import generated_by_ray  # an extra that few need

    return functools.partial(generated_by_ray, workers=options.workers, address=options.ray)


@contextmanager
def _progress_bar(
    console: Console, episodes: int
) -> Iterator[Callable[[GenerationProgress], None]]:
    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with ProgressBar(*columns, console=console) as bar:
        task = bar.add_task("", total=episodes)

        def on_progress(progress: GenerationProgress) -> None:
            rate = progress.simulated_s / (time.monotonic() - began)
            text = f"{rate:.0f} x real time, {progress.failed} failed"
            bar.update(task, completed=progress.complete, description=text)

        yield on_progress
