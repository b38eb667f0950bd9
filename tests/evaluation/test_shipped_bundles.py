"""The bundles that come with pushcell: whole, small, told how they came about, and able."""

from pathlib import Path

import pytest

from policy_server.bundle import load_policy
from pushcell.config import CellConfig
from pushcell.evaluation.trial import Evaluation

BUNDLES = Path(__file__).parents[2] / "bundles"
MOST_BYTES = 30e6


@pytest.mark.parametrize("name", ["target_state", "target_image"])
def test_it_loads_and_says_how_it_came_about(cell: CellConfig, name: str) -> None:
    manifest = load_policy(BUNDLES / name, cell).manifest
    assert sum(path.stat().st_size for path in (BUNDLES / name).iterdir()) < MOST_BYTES
    assert manifest.parity is not None
    assert manifest.parity.frames >= 32
    assert manifest.parity.max_abs < 1e-4
    assert manifest.latency is not None
    assert manifest.training.configuration["seed"] == manifest.training.seed
    assert manifest.sees == (name == "target_image")
    assert (manifest.training.eye is not None) == manifest.sees


@pytest.mark.parametrize(("name", "seed"), [("target_state", 7), ("target_image", 7)])
def test_it_pushes_the_slider_home(cell: CellConfig, name: str, seed: int) -> None:
    trial = Evaluation(cell, str(BUNDLES / name), "target", 0.01).run(seed)
    assert trial.success, trial.reason
