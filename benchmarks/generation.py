"""How fast demonstrations are made and converted, a core, and what memory that takes."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from pushcell.cli.bench import BENCHMARKS
from pushcell.config.cell import CellConfig, load_cell
from pushcell.demonstrations.episode_generator import EpisodeGenerator
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.demonstrations.process_workers import ENVIRONMENT
from pushcell.formats.data_set import DataSet
from pushcell.formats.episodes_format import write_episodes
from pushcell.formats.lerobot_writer import write_lerobot
from pushcell.formats.open_data_set import open_data_set
from pushcell.formats.packed_format import write_packed
from pushcell.formats.zarr_format import write_zarr
from pushcell.recording.store import EpisodeStore

SIZE_PX = (128, 128)
REPETITIONS = 5
MEMORY_EPISODES = 60

# Episodes a repetition: enough for a second or two.
KINDS: tuple[tuple[str, str, bool, int], ...] = (
    ("source, no images", "source", False, 20),
    ("source, two 128x128 images", "source", True, 4),
    ("target, no images", "target", False, 1),
    ("target, two 128x128 images", "target", True, 1),
)


def run() -> dict[str, Any]:
    """Measure in CPU seconds, which is what one core takes; medians and spread of repetitions."""
    os.environ.update(ENVIRONMENT)  # as workers have it: one thread each
    cell = load_cell(BENCHMARKS.parent / "config" / "cell.sim.yaml")
    generated = {
        name: _generation_factors(
            GenerationConfig(cell, world, "planner", 0, images=images), episodes
        )
        for name, world, images, episodes in KINDS
    }
    memory = {
        name: _memory_mb(GenerationConfig(cell, "source", "planner", 0, images=images))
        for name, images in (("no images", False), ("two 128x128 images", True))
    }
    return {
        "real_time_factor": generated,
        "memory_mb": memory,
        "conversion_real_time_factor": _conversions(cell),
    }


def table(figures: dict[str, Any]) -> Table:
    """One row a figure."""
    shown = Table(title="demonstrations: simulated seconds a CPU second")
    shown.add_column("what")
    for title in ("median", "lowest", "highest"):
        shown.add_column(title, justify="right")
    for part, verb in (("real_time_factor", "made"), ("conversion_real_time_factor", "converted")):
        for name, spread in figures[part].items():
            row = (f"{spread[key]:.1f} x" for key in ("median", "lowest", "highest"))
            shown.add_row(f"{verb}: {name}", *row)
        shown.add_section()
    for name, levels in figures["memory_mb"].items():
        row = (f"{after}: {value:.0f} MB" for after, value in levels.items())
        shown.add_row(f"memory after episodes, {name}", *row)
    return shown


def _generation_factors(config: GenerationConfig, episodes: int) -> dict[str, float]:
    generator = EpisodeGenerator(config)
    generator.make(0)

    def make(repetition: int) -> float:
        first = 1 + repetition * episodes
        attempts = [
            generated for k in range(first, first + episodes) for generated in generator.make(k)
        ]
        return sum(generated.duration_s for generated in attempts)

    return _spread([_factor(lambda n=n: make(n)) for n in range(REPETITIONS)])


def _memory_mb(config: GenerationConfig) -> dict[str, float]:
    """Resident memory after some episodes and after many."""
    generator, process = EpisodeGenerator(config), psutil.Process()
    levels = {}
    for index in range(MEMORY_EPISODES):
        generator.make(index)
        if index + 1 in (MEMORY_EPISODES // 6, MEMORY_EPISODES // 2, MEMORY_EPISODES):
            levels[str(index + 1)] = process.memory_info().rss / 2**20
    return levels


def _conversions(cell: CellConfig) -> dict[str, dict[str, float]]:
    """From episodes into each format, and from each back into episodes."""
    generator = EpisodeGenerator(GenerationConfig(cell, "source", "planner", 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = EpisodeStore(folder / "episodes")
        duration_s = 0.0
        for index in range(6):
            generated = generator.make(index)[-1]
            store.save(generated.name, generated.files, {})
            duration_s += generated.duration_s
        factors: dict[str, dict[str, float]] = {}
        writers = {"zarr": write_zarr, "lerobot": write_lerobot, "packed": write_packed}
        for kind, write in writers.items():
            paths = [folder / f"{kind}{n}" for n in range(REPETITIONS)]
            there = [_timed(lambda w=write, p=p: w(_open(store.folder), p)) for p in paths]
            back = [_timed(lambda p=p: _back(p, cell)) for p in paths]
            factors[f"episodes to {kind}"] = _spread([duration_s / t for t in there])
            factors[f"{kind} to episodes"] = _spread([duration_s / t for t in back])
        return factors


def _back(path: Path, cell: CellConfig) -> None:
    write_episodes(_open(path), path.with_name(path.name + "_episodes"), cell, path.name)


def _open(path: Path) -> DataSet:
    return open_data_set(path, SIZE_PX)


def _factor(play: Callable[[], float]) -> float:
    began = time.process_time()
    return play() / (time.process_time() - began)


def _timed(do: Callable[[], None]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
