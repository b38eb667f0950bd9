"""What a training takes from its cell, and which poses its features are computed from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import ConfigError
from pushcell.shipped import CELLS
from pushcell.task import slider_of
from pushcell.training.config import (
    FEATURE_POSES,
    TrainConfig,
    load_train_config,
    train_config_of,
)
from pushcell.training.config_policy import PoseConfig
from pushcell.training.pose_features import PoseFeatures, SliderFrame
from tests.training import examples

FEATURES = ["pusher", "pusher_at_edges", "pusher_near_home"]
POINTS = ((0.1, 0.0), (0.0, 0.1), (-0.1, 0.0))


def values(folder: Path, **observation: Any) -> dict[str, Any]:
    """A training of features that need the cell, of which nothing is given."""
    section = {"features": FEATURES, **observation}
    return {**examples.config_values(folder), "observation": section}


def other_cell(folder: Path) -> Path:
    """A cell with another slider, pusher and home."""
    text = yaml.safe_load(CELLS.find(Path("sim")).read_text())
    text["task"]["slider"] = "box"
    text["task"]["pusher_home_m"] = [0.58, 0.14]
    text["pusher"]["radius_m"] = 0.012
    path = folder / "cell.other.yaml"
    path.write_text(yaml.safe_dump(text))
    return path


def check(config: TrainConfig, cell: CellConfig) -> None:
    """The observation is that cell's."""
    seen = config.observation
    np.testing.assert_allclose(seen.keypoints, slider_of(cell.task).outline)
    assert (seen.pusher_radius, seen.home) == (cell.pusher.radius_m, cell.task.pusher_home_m)


def test_outline_radius_and_home_are_those_of_the_cell(tmp_path: Path) -> None:
    check(train_config_of(values(tmp_path), "test"), load_cell(Path("sim")))
    other = other_cell(tmp_path)
    config = train_config_of({**values(tmp_path), "cell": str(other)}, "test")
    check(config, load_cell(other))
    other.unlink()  # what has been filled in stays
    assert train_config_of(config.model_dump(mode="json"), "test") == config


def test_given_values_stay(tmp_path: Path) -> None:
    given = {"keypoints": POINTS, "pusher_radius": 0.02, "home": (0.5, 0.1)}
    seen = train_config_of(values(tmp_path, **given), "test").observation
    assert (seen.keypoints, seen.pusher_radius, seen.home) == (POINTS, 0.02, (0.5, 0.1))


def test_other_tasks_have_no_cell(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keypoints and features of keypoints go together"):
        train_config_of({**values(tmp_path), "task": "pusht"}, "test")


def test_shipped_trainings_repeat_nothing_of_the_cell() -> None:
    cell = load_cell(Path("sim"))
    check(load_train_config(Path("target_state")), cell)
    pose_estimators = [
        config
        for path in Path(CELLS.find(Path("sim"))).parent.glob("train/*.yaml")
        if isinstance((config := load_train_config(path)).policy, PoseConfig)
        and config.task == "cell"
    ]
    assert len(pose_estimators) == 2
    for config in pose_estimators:
        np.testing.assert_allclose(config.policy.corners, slider_of(cell.task).outline)


def scenes() -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Poses of two moments; then the same with one of them moved, under its name."""
    poses = {
        "pusher": torch.tensor([[[0.55, 0.02, 0.0], [0.56, 0.03, 0.0]]]),
        "slider": torch.tensor([[[0.6, -0.03, 0.2], [0.6, -0.03, 0.2]]]),
        "goal": torch.tensor([[0.59, -0.04, 0.0]]),
    }
    yield "", poses
    for name, pose in poses.items():
        moved = pose + torch.tensor([0.003, 0.004, 0.05])
        if name == "pusher":
            moved[:, 1] += 0.01
        yield name, {**poses, name: moved}


@pytest.mark.parametrize("name", FEATURE_POSES)
def test_a_feature_is_computed_from_the_poses_that_are_listed(tmp_path: Path, name: str) -> None:
    seen = train_config_of(values(tmp_path, features=[name], steps=2), "test").observation
    features = PoseFeatures(seen)
    results = {
        moved: features(poses["pusher"], SliderFrame.of(poses["slider"]), poses["goal"])
        for moved, poses in scenes()
    }
    differing = {moved for moved, result in results.items() if not result.equal(results[""])}
    assert differing == set(FEATURE_POSES[name])
    assert seen.uses_goal == ("goal" in differing)
