"""The bundles that come with pushcell: whole, small, told how they came about, and able."""

from pathlib import Path

import pytest

from policy_server.bundle import load_policy
from policy_server.delay import InjectedDelay
from pushcell.config.cell import CellConfig
from pushcell.evaluation.simulated_cameras import SimulatedCameras
from pushcell.evaluation.stepped_policy import SteppedPolicy
from pushcell.evaluation.trial import Evaluation

BUNDLES = Path(__file__).parents[2] / "bundles"
MOST_BYTES = 30e6


@pytest.mark.parametrize("name", ["target_state", "target_image", "recorded_image"])
def test_it_loads_and_says_how_it_came_about(cell: CellConfig, name: str) -> None:
    manifest = load_policy(BUNDLES / name, cell).manifest
    assert sum(path.stat().st_size for path in (BUNDLES / name).iterdir()) < MOST_BYTES
    assert manifest.parity is not None
    assert manifest.parity.frames >= 32
    assert manifest.parity.max_abs < 1e-4
    assert manifest.latency is not None
    assert manifest.training.configuration["seed"] == manifest.training.seed
    assert manifest.has_cameras == name.endswith("_image")
    assert (manifest.training.pose_estimator is not None) == manifest.has_cameras


@pytest.mark.parametrize("name", ["target_state", "target_image", "recorded_image"])
def test_it_pushes_the_slider_home(cell: CellConfig, name: str) -> None:
    trial = Evaluation(cell, str(BUNDLES / name), "target", 0.01).run(7)
    assert trial.success, trial.reason


@pytest.mark.parametrize("chunking", ["receding", "asynchronous"])
def test_only_what_is_looked_at_is_drawn(
    cell: CellConfig, monkeypatch: pytest.MonkeyPatch, chunking: str
) -> None:
    """And nothing changes by it, also where chunks come late."""
    success = cell.task.success.changed(time_limit_s=2.5).model_dump()
    short = cell.changed(task=cell.task.changed(success=success).model_dump())
    bundle, delay = str(BUNDLES / "target_image"), InjectedDelay(0.15, 0.15)
    evaluation = Evaluation(short, bundle, "source", chunking=chunking, delay=delay)
    times: list[float] = []
    images = SimulatedCameras.images
    monkeypatch.setattr(
        SimulatedCameras, "images", lambda cameras, *a: times.append(1.0) or images(cameras, *a)
    )
    sparing, drawn = evaluation.run(7), len(times)
    monkeypatch.setattr(SteppedPolicy, "needs_images", lambda policy, time_s: True)
    assert evaluation.run(7) == sparing
    assert 0 < drawn < (len(times) - drawn) / 1.5
