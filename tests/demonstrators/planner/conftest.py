"""Every slider's cell, planner and random starts."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner import PushPlanner
from pushcell.geometry import PlanarPose
from pushcell.task import SLIDERS, Task

EVALUATION_BOX_M = (0.4, 0.3)
DEMONSTRATION_BOX_M = (0.35, 0.5)


@pytest.fixture(params=sorted(SLIDERS))
def slider(request: pytest.FixtureRequest) -> str:
    """The name of each slider in turn."""
    return request.param


@pytest.fixture(scope="session")
def cell_of(cell: CellConfig) -> Callable[[str], CellConfig]:
    """The default cell with another slider."""

    def changed(name: str) -> CellConfig:
        task = cell.task.model_copy(update={"slider": name})
        return cell.model_copy(update={"task": task})

    return changed


@pytest.fixture(scope="session")
def planner_of(cell_of: Callable[[str], CellConfig]) -> Callable[[str], PushPlanner]:
    """The planner of a slider, made once."""
    return cache(lambda name: PushPlanner(cell_of(name)))


@pytest.fixture(scope="session")
def starts(cell_of: Callable[[str], CellConfig]) -> Callable[..., list[PlanarPose]]:
    """Random starts of a slider in a box, the same for the same seed."""

    def sample(
        name: str, count: int, box_m: tuple[float, float] = EVALUATION_BOX_M, seed: int = 0
    ) -> list[PlanarPose]:
        cell = cell_of(name)
        config = cell.task.model_copy(update={"start_box_m": box_m})
        task = Task.of(config, cell.pusher.radius_m)
        rng = np.random.default_rng(seed)
        return [task.sample_start(rng) for _ in range(count)]

    return sample
