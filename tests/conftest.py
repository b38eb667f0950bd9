"""Fixtures that many tests share."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

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


def runs_nodes(path: str) -> bool:
    """Whether the tests of a file start processes of the graph."""
    return path.startswith(("tests/ros/", "tests/system/", "tests/test_examples.py"))


@pytest.fixture(autouse=True, scope="module")
def nothing_left_of_nodes() -> Iterator[None]:
    """Nodes of this process leave its priority low, and DDS participants as garbage.

    The next tests would be slow by the one, and by the other may hang: Fast DDS now and then waits
    for ever where a service ends while another node begins.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    yield
    if os.getpriority(os.PRIO_PROCESS, 0) != before:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)
    if "rclpy" in sys.modules:
        gc.collect()


class OneGraphAtATime(LoadScopeScheduling):
    """Gives the tests that run nodes to one process, and the others by file to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return "nodes" if runs_nodes(path) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneGraphAtATime:
    return OneGraphAtATime(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of running nodes come first; on a busy machine they may need more than one try."""
    items.sort(key=lambda item: not runs_nodes(item.nodeid))
    for item in items:
        if runs_nodes(item.nodeid):
            item.add_marker(pytest.mark.flaky(reruns=2))
