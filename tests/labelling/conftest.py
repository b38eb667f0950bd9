"""Episodes and a labeller that has seen them, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushcell.config.cell import CellConfig
from pushcell.labelling.recorded_views import RecordedViews, read_views
from pushcell.labelling.session import Labeller
from pushcell.recording.streams import SLIDER_TOPIC
from tests.labelling.examples import copy_without, make_episodes

HEIGHT_M = 0.03175


@pytest.fixture(scope="session")
def simulated(cell: CellConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two episodes with true poses."""
    folder = tmp_path_factory.mktemp("simulated")
    make_episodes(folder, cell, 2)
    return folder


@pytest.fixture(scope="session")
def recorded(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a real cell records them: nothing says where the slider was."""
    folder = tmp_path_factory.mktemp("recorded")
    for episode in sorted(simulated.glob("episode_*")):
        copy_without(episode, folder / episode.name, (SLIDER_TOPIC,))
    return folder


@pytest.fixture(scope="session")
def views(cell: CellConfig, recorded: Path) -> RecordedViews:
    """The first of them."""
    return read_views(recorded / "episode_000000", cell)


@pytest.fixture(scope="session")
def labeller(cell: CellConfig, recorded: Path) -> Labeller:
    """Knows the slider's colours."""
    labeller = Labeller(cell, HEIGHT_M)
    labeller.learn(sorted(recorded.glob("episode_*")))
    return labeller
