"""Sliders as a trained eye sees them, computed once for each step of a data set and kept."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from pushcell.errors import EpisodeError, TrainingError
from pushcell.training.array_dataset import Table, load_tables
from pushcell.training.augmentation import prepared
from pushcell.training.batches import Observation
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.config import DataConfig, TrainConfig, VisionConfig
from pushcell.training.pose_estimator import SliderEye, poses_of

_ROWS = 256


@dataclass(frozen=True)
class TrainedEye:
    """A pose policy, frozen."""

    policy: SliderEye
    checkpoint: Checkpoint
    config: TrainConfig
    sha256: str

    @classmethod
    def load(cls, path: Path, task: str) -> TrainedEye:
        """From its checkpoint; raises TrainingError for one of another kind or task."""
        checkpoint = Checkpoint.load(path)
        policy, config = checkpoint.averaged_policy(path), checkpoint.train_config(path)
        if not isinstance(policy, SliderEye):
            raise TrainingError(f"{path} is not the checkpoint of a policy of kind pose")
        if config.task != task:
            raise TrainingError(f"{path} is an eye for the task {config.task}, needed: {task}")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(policy.requires_grad_(False), checkpoint, config, sha256)

    @property
    def vision(self) -> VisionConfig:
        """What it sees with."""
        assert self.config.observation.vision is not None
        return self.config.observation.vision


def tables_as_seen(data: DataConfig, path: Path, task: str) -> list[Table]:
    """The data sets with the slider where the eye of that checkpoint sees it."""
    eye = TrainedEye.load(path, task)
    return [
        table.seen_as(_sliders(table, eye, data.cache)) for table in load_tables(data, eye.vision)
    ]


def _sliders(table: Table, eye: TrainedEye, cache: Path) -> NDArray[np.float32]:
    """(N, 3), from the cache if they are there."""
    images = next(iter(table.images.values()))
    key = f"{eye.sha256} {getattr(images, 'filename', '')} {len(table)}"
    file = cache / f"{table.name}-sliders-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not file.exists():
        chunks = range(0, len(table), _ROWS)
        rows = [slice(k, min(k + _ROWS, len(table))) for k in chunks]
        shown = track(rows, f"sliders of {table.name}", transient=True)
        seen = np.concatenate([_seen(table, part, eye) for part in shown])
        draft = file.with_suffix(f".{os.getpid()}.npy")
        try:
            np.save(draft, seen)
            draft.replace(file)
        except OSError as error:
            raise EpisodeError(
                f"data.cache {cache} cannot be written: {error}; make room, or name another"
            ) from None
    return np.load(file)


def _seen(table: Table, rows: slice, eye: TrainedEye) -> NDArray[np.float32]:
    observation: Observation = {
        "pusher": torch.from_numpy(table.pusher[rows, None]),
        "slider": torch.from_numpy(table.slider[rows, None]),
        "goal": torch.from_numpy(table.goal[rows]),
    }
    for camera in eye.vision.cameras:
        images = torch.from_numpy(np.array(table.images[camera][rows]))
        observation[f"{camera}_image"] = images.movedim(-1, 1)[:, None]
    with torch.no_grad():
        seen = eye.policy.frame(prepared(observation, eye.vision, training=False))
    return poses_of(seen).numpy()
