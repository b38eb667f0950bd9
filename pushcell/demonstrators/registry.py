"""Who can demonstrate the task in a simulated world, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.controller import Controller
from pushcell.demonstrators.operator import Operator, SteadyOperator
from pushcell.demonstrators.planner import ClosedLoopPlanner
from pushcell.errors import ConfigError

MakeDemonstrator = Callable[[CellConfig, np.random.Generator], Controller]


def _planner(cell: CellConfig, rng: np.random.Generator) -> Controller:
    return ClosedLoopPlanner(cell)


DEMONSTRATORS: dict[str, MakeDemonstrator] = {
    "planner": _planner,
    "operator": Operator,
    "steady": SteadyOperator,
}
"""Name -> what makes a fresh controller for one episode, whose whims are the generator's."""


def demonstrator(name: str) -> MakeDemonstrator:
    """The maker of that name; raises ConfigError that lists the known ones."""
    if name not in DEMONSTRATORS:
        known = ", ".join(DEMONSTRATORS)
        raise ConfigError(f"there is no demonstrator {name!r}; known are: {known}")
    return DEMONSTRATORS[name]
