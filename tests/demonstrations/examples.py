"""Generations made up for tests, in this process, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pushcell.config.cell import CellConfig
from pushcell.demonstrations.episode_generator import EpisodeGenerator, GeneratedEpisode
from pushcell.demonstrations.generate import GenerationProgress
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.simulation.shifts import Shifts


def generated_here(
    config: GenerationConfig, indices: Iterable[int]
) -> Iterator[list[GeneratedEpisode]]:
    """Workers without processes."""
    return map(EpisodeGenerator(config).make, indices)


def config_of(cell: CellConfig, *shifts: str, world: str = "source", **others) -> GenerationConfig:
    others = {"images": False, "seed": 1, "demonstrator": "planner", **others}
    return GenerationConfig(cell, world, shifts=Shifts.parse(shifts), **others)


def silently(progress: GenerationProgress) -> None:
    """Tell nobody."""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of every complete episode."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.glob("**/episode_*/*"))
        if not path.parent.name.endswith(".partial")
    }
