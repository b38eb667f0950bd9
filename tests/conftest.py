"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from pushcell.config.cell import CellConfig, load_cell

ROOT = Path(__file__).resolve().parent.parent
SIM_CELL = ROOT / "config" / "cell.sim.yaml"

# The same examples on every run of the tests; a thorough run looks for new ones.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def cell() -> CellConfig:
    """The default cell."""
    return load_cell(SIM_CELL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of running nodes are tried up to three times: a busy machine may hold them up."""
    for item in items:
        if {"ros", "system"} & set(item.path.relative_to(ROOT).parts):
            item.add_marker(pytest.mark.flaky(reruns=2))
