"""Who can demonstrate the task in a simulated world, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.controller import Controller
from pushcell.demonstrators.planner import ClosedLoopPlanner
from pushcell.demonstrators.scripted_operator import MemorylessExpert, ScriptedOperator
from pushcell.errors import ConfigError

MakeDemonstrator = Callable[[CellConfig, np.random.Generator], Controller]


def _planner(cell: CellConfig, rng: np.random.Generator) -> Controller:
    return ClosedLoopPlanner(cell)


DEMONSTRATORS: dict[str, MakeDemonstrator] = {
    "planner": _planner,
    "scripted_operator": ScriptedOperator,
    "memoryless_expert": MemorylessExpert,
}
"""Name -> what makes a fresh controller for one episode; its noise is the generator's."""


def demonstrator(name: str) -> MakeDemonstrator:
    """What makes the demonstrator of that name; raises ConfigError that lists the known ones."""
    if name not in DEMONSTRATORS:
        known = ", ".join(DEMONSTRATORS)
        raise ConfigError(f"there is no demonstrator {name!r}; known are: {known}")
    return DEMONSTRATORS[name]
