"""A recorder, and what a played cell publishes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.synthetic_cell import Heard, live, recording_cell
from pushcell.config.cell import CellConfig
from tests.recording.rig import SECONDS, Rig


@pytest.fixture
def heard(cell: CellConfig) -> list[Heard]:
    return list(live(cell, SECONDS))


@pytest.fixture
def rig(cell: CellConfig, tmp_path: Path) -> Rig:
    return Rig(recording_cell(cell), tmp_path / "episodes")
