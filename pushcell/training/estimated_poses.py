"""Slider poses from a trained pose estimator, computed once for each data set and kept."""

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
from pushcell.training.array_data_set import ArrayDataSet, load_data_sets
from pushcell.training.augmentation import prepared
from pushcell.training.batches import Observation
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.config import DataConfig, TrainConfig, VisionConfig
from pushcell.training.pose_estimator import PoseEstimator, poses_of

_ROWS = 256


@dataclass(frozen=True)
class TrainedPoseEstimator:
    """A pose estimator with its checkpoint, frozen."""

    policy: PoseEstimator
    checkpoint: Checkpoint
    config: TrainConfig
    sha256: str

    @classmethod
    def load(cls, path: Path, task: str) -> TrainedPoseEstimator:
        """From its checkpoint; raises TrainingError for one of another kind or task."""
        checkpoint = Checkpoint.load(path)
        policy, config = checkpoint.averaged_policy(path), checkpoint.train_config(path)
        if not isinstance(policy, PoseEstimator):
            raise TrainingError(f"{path} is not the checkpoint of a policy of kind pose")
        if config.task != task:
            raise TrainingError(
                f"{path} is a pose estimator for the task {config.task}, needed: {task}"
            )
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(policy.requires_grad_(False), checkpoint, config, sha256)

    @property
    def vision(self) -> VisionConfig:
        """Its cameras and their network."""
        assert self.config.observation.vision is not None
        return self.config.observation.vision


def data_sets_with_estimated_poses(data: DataConfig, path: Path, task: str) -> list[ArrayDataSet]:
    """The data sets with the slider poses that the estimator of that checkpoint finds."""
    pose_estimator = TrainedPoseEstimator.load(path, task)
    return [
        data_set.with_slider(_sliders(data_set, pose_estimator, data.cache))
        for data_set in load_data_sets(data, pose_estimator.vision)
    ]


def _sliders(
    data_set: ArrayDataSet, pose_estimator: TrainedPoseEstimator, cache: Path
) -> NDArray[np.float32]:
    """(N, 3), from the cache if they are there."""
    images = next(iter(data_set.images.values()))
    key = f"{pose_estimator.sha256} {getattr(images, 'filename', '')} {len(data_set)}"
    file = cache / f"{data_set.name}-sliders-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not file.exists():
        chunks = range(0, len(data_set), _ROWS)
        rows = [slice(k, min(k + _ROWS, len(data_set))) for k in chunks]
        shown = track(rows, f"sliders of {data_set.name}", transient=True)
        seen = np.concatenate([_seen(data_set, part, pose_estimator) for part in shown])
        partial = file.with_suffix(f".{os.getpid()}.npy")
        try:
            np.save(partial, seen)
            partial.replace(file)
        except OSError as error:
            raise EpisodeError(
                f"data.cache {cache} cannot be written: {error}; make room, or name another"
            ) from None
    return np.load(file)


def _seen(
    data_set: ArrayDataSet, rows: slice, pose_estimator: TrainedPoseEstimator
) -> NDArray[np.float32]:
    observation: Observation = {
        "pusher": torch.from_numpy(data_set.pusher[rows, None]),
        "slider": torch.from_numpy(data_set.slider[rows, None]),
        "goal": torch.from_numpy(data_set.goal[rows]),
    }
    for camera in pose_estimator.vision.cameras:
        images = torch.from_numpy(np.array(data_set.images[camera][rows]))
        observation[f"{camera}_image"] = images.movedim(-1, 1)[:, None]
    with torch.no_grad():
        seen = pose_estimator.policy.frame(
            prepared(observation, pose_estimator.vision, training=False)
        )
    return poses_of(seen).numpy()
