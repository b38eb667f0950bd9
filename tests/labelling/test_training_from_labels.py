"""From recordings without a true pose to a bundle that drives from pictures, step by step."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from policy_server.bundle import load_policy
from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.training.config import load_train_config
from pushcell.training.trainer import LAST
from tests.labelling.examples import make_episodes

GENERATION = Path("recorded")
SMALL = (
    "training.steps=3",
    "training.batch_size=4",
    "training.warmup_steps=1",
    "data.validation=0.3",
    "observation.vision.width=4",
    "observation.vision.features=16",
    "policy.hidden=16",
    "log.validate_every=3",
    "log.validation_windows=8",
    "device.precision=32-true",
)


def test_recordings_become_a_bundle(cell: CellConfig, recorded: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder, source, out = tmp_path / "episodes", tmp_path / "source", tmp_path / "run"
    shutil.copytree(recorded, folder)
    make_episodes(source, cell, 2, visual_gap=True)
    sets = (
        f"data.sets=[{{name: source, path: {source}}}, "
        f"{{name: recorded, path: {folder}, slider: labels}}]"
    )
    words = [*SMALL, sets, f"data.cache={tmp_path / 'cache'}"]
    training = ["train", str(GENERATION), "--out", str(out), "--set", *words]
    assert cli.main(training) == 2  # there are no labels yet
    assert cli.main(["label", str(folder)]) == 0
    assert cli.main(training) == 0
    bundle, pose_estimator = tmp_path / "bundle", out / LAST
    words = ["--pose-estimator", str(pose_estimator), "--out", str(bundle)]
    assert cli.main(["export", "target_state", *words]) == 0
    manifest = load_policy(bundle, cell).manifest
    assert [camera.name for camera in manifest.observation.cameras] == ["overhead", "wrist"]
    assert manifest.training.pose_estimator.steps == 3


def test_labels_are_for_those_who_look_at_each_picture_by_itself(tmp_path: Path) -> None:
    sets = "data.sets=[{name: demonstrations, path: episodes, slider: labels}]"
    with pytest.raises(ConfigError, match="labels, which have gaps"):
        load_train_config(Path("demonstrations"), (sets,))
