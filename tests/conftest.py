"""Fixtures that many tests share."""

from pathlib import Path

import pytest

from pushcell.config import CellConfig, load_cell

ROOT = Path(__file__).resolve().parent.parent
SIM_CELL = ROOT / "config" / "cell.sim.yaml"


@pytest.fixture(scope="session")
def cell() -> CellConfig:
    """The default cell."""
    return load_cell(SIM_CELL)
