"""One trial of an evaluation: a pure function of its seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pushcell.config import CellConfig
from pushcell.errors import ConfigError
from pushcell.simulation.closed_loop import run_closed_loop
from pushcell.simulation.demonstrators import demonstrator
from pushcell.simulation.shifts import World
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.simulation.world import PushingWorld
from pushcell.task import Task

_WHIMS = 1  # the start's generator has the seed alone, the controller's this beside it


@dataclass(frozen=True)
class Evaluation:
    """What decides about every trial but its seed; raises ConfigError for what cannot be run."""

    cell: CellConfig
    policy: str
    world: World
    time_step_s: float | None = None  # of the target world; None: the cell's

    def __post_init__(self) -> None:
        demonstrator(self.policy)
        if self.world == "source" and self.time_step_s is not None:
            raise ConfigError("the source world is quasi-static and has no --time-step")
        if self.time_step_s is not None and not 0 < self.time_step_s <= 0.01:
            raise ConfigError(f"--time-step must be above 0 and at most 0.01 s: {self.time_step_s}")

    @property
    def task(self) -> Task:
        """What is to be done."""
        return Task.of(self.cell.task, self.cell.pusher.radius_m)

    def run(self, seed: int) -> Trial:
        """The trial of that seed, in a world of its own."""
        task = self.task
        start = task.sample_start(np.random.default_rng(seed))
        controller = demonstrator(self.policy)(self.cell, np.random.default_rng([seed, _WHIMS]))
        world = self._make_world()
        world.reset(start, task.pusher_home)
        result = run_closed_loop(world, controller, task)
        return Trial(
            seed,
            (start.x, start.y, start.theta),
            result.success,
            result.reason,
            result.position_error_m,
            result.angle_error_rad,
            result.duration_s,
        )

    def _make_world(self) -> PushingWorld:
        if self.world == "source":
            return SourceWorld(self.cell)
        return TargetWorld(self.cell, self.time_step_s)


@dataclass(frozen=True)
class Trial:
    """How the trial of one seed went."""

    seed: int
    start: tuple[float, float, float]  # of the slider [m, m, rad]
    success: bool
    reason: str
    position_error_m: float
    angle_error_rad: float
    duration_s: float

    def describe(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "start": list(self.start)}
