"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from pushcell.config.cell import CellConfig, load_cell

ROOT = Path(__file__).resolve().parent.parent
RUNS_NODES = {"ros", "system", "test_examples.py"}
SIM_CELL = ROOT / "config" / "cell.sim.yaml"

# The same examples on every run of the tests; a thorough run looks for new ones.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def cell() -> CellConfig:
    """The default cell."""
    return load_cell(SIM_CELL)


def runs_nodes(item: pytest.Item) -> bool:
    """Whether a test starts processes of the graph, which a busy machine may hold up."""
    return bool(RUNS_NODES & {*item.path.relative_to(ROOT).parts})


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that run nodes in one worker, and first; keep the others together by file."""
    items.sort(key=runs_nodes, reverse=True)
    for item in items:
        if runs_nodes(item):
            item.add_marker(pytest.mark.flaky(reruns=2))
            item.add_marker(pytest.mark.xdist_group("nodes"))
        else:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
