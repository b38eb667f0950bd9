"""Small data sets and configurations that learn in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pushcell.formats.data_set import Demonstration
from pushcell.formats.packed_format import write_packed
from pushcell.recording.steps import Steps
from pushcell.training.config import TrainConfig, train_config_of

CORNERS = [[-0.08, 0.05], [0.08, 0.05], [0.0, -0.12]]


def steps(seed: int, count: int = 16, cameras: tuple[str, ...] = ()) -> Steps:
    """The pusher walks a quarter of the way to the slider at each step; images show where."""
    rng = np.random.default_rng(seed)
    low, high = np.array([0.45, -0.15]), np.array([0.75, 0.15])
    slider = np.concatenate([rng.uniform(low, high), rng.uniform(-3, 3, 1)])
    pusher, action = np.zeros((count, 3)), np.zeros((count, 2))
    position = rng.uniform(low, high)
    for k in range(count):
        pusher[k, :2] = position
        position = action[k] = position + (slider[:2] - position) / 4
    images = {}
    for name in cameras:
        pictures = np.full((count, 16, 16, 3), 40, dtype=np.uint8)
        x, y = ((slider[:2] - low) / 0.3 * 12).astype(int)
        pictures[:, y : y + 4, x : x + 4] = 220
        pictures[..., 0] = int(40 * (slider[2] + 3))
        images[name] = pictures
    return Steps(
        10.0, pusher, np.tile(slider, (count, 1)), action, np.array([0.58, 0.0, 0.0]), images
    )


def packed(path: Path, episodes: int = 8, seed: int = 0, **options: Any) -> Path:
    """A packed file of so many episodes."""
    demonstrations = (
        Demonstration(f"episode_{k}", steps(1000 * seed + k, **options)) for k in range(episodes)
    )
    write_packed(demonstrations, path)
    return path


def config_values(folder: Path, **sections: Any) -> dict[str, Any]:
    """Plain values of a small training; sections are merged into them."""
    values: dict[str, Any] = {
        "data": {
            "sets": [{"name": "walks", "path": str(folder / "walks.parquet")}],
            "normaliser": "walks",
            "validation": 0.25,
            "cache": str(folder / "cache"),
        },
        "observation": {"features": ["pusher", "keypoints_from_pusher"], "keypoints": CORNERS},
        "action": {"horizon": 8, "execute": 4, "space": "relative_to_pusher"},
        "policy": {"kind": "diffusion", "train_steps": 50, "network": {"kind": "mlp", "width": 64}},
        "training": {"steps": 20, "batch_size": 16, "warmup_steps": 4, "learning_rate": 1e-3},
        "device": {"accelerator": "cpu", "threads": 1},
        "log": {"log_every": 1, "validate_every": 10, "checkpoint_every": 20},
    }
    for name, section in sections.items():
        values[name] = {**values[name], **section} if isinstance(section, dict) else section
    return values


def config(folder: Path, **sections: Any) -> TrainConfig:
    """The same, checked."""
    return train_config_of(config_values(folder, **sections), "test")
