"""The manifest of a trained policy: what it needs, what it gives, how it came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import (
    ActionSpec,
    CameraInput,
    CellTask,
    DataSetRecord,
    DiffusionSchedule,
    DirectSchedule,
    FlowSchedule,
    Normaliser,
    ObservationSpec,
    PushTTask,
    Range,
    Schedule,
    StateKey,
    TrainingRecord,
)
from pushcell.cameras.calibrated import active_sha256
from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import TrainingError
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.config import ObservationConfig, TrainConfig, VisionConfig
from pushcell.training.config_policy import DiffusionConfig, FlowConfig, PoseConfig
from pushcell.training.data_module import DataModule
from pushcell.training.estimated_poses import TrainedPoseEstimator
from pushcell.training.policy import TrainablePolicy


def manifest_of(
    checkpoint: Checkpoint,
    config: TrainConfig,
    policy: TrainablePolicy,
    pose_estimator: TrainedPoseEstimator | None,
    data_module: DataModule,
) -> Manifest:
    """Of a policy whose graphs are not there yet; nothing is measured."""
    assert not isinstance(config.policy, PoseConfig)
    cell = load_cell(config.cell) if config.task == "cell" else None
    vision = pose_estimator.vision if pose_estimator else config.observation.vision
    observation = ObservationSpec(
        steps=config.observation.steps,
        keys=_keys(config.observation, pose_estimator is not None),
        cameras=camera_inputs(vision, cell) if vision else (),
    )
    low, high = policy.actions.bounds.tolist()
    return Manifest(
        kind=config.policy.kind,
        rate_hz=config.data.rate_hz,
        observation=observation,
        action=_action(config, data_module, cell),
        normaliser=Normaliser(
            data_set=config.data.normaliser, action=Range(low=tuple(low), high=tuple(high))
        ),
        schedule=_schedule(config),
        max_prefix=config.policy.max_prefix,
        task=CellTask.of(cell) if cell else PushTTask(),
        calibration_sha256=observation.calibration_sha256,
        training=training_record(checkpoint, config, policy, cell).changed(
            pose_estimator=training_record(
                pose_estimator.checkpoint, pose_estimator.config, pose_estimator.policy, cell
            )
            if pose_estimator
            else None
        ),
    )


def _keys(seen: ObservationConfig, has_pose_estimator: bool) -> tuple[StateKey, ...]:
    keys: list[StateKey] = ["pusher"]
    if seen.uses_slider_pose and not has_pose_estimator:
        keys.append("slider")
    if seen.uses_goal:
        keys.append("goal")
    return tuple(keys)


def camera_inputs(vision: VisionConfig, cell: CellConfig | None) -> tuple[CameraInput, ...]:
    """What a run time must give of each camera; with geometry, where there is a cell."""
    if cell:
        return tuple(
            CameraInput.of(cell.camera(name), vision.image_px, vision.crop_px)
            for name in vision.cameras
        )
    return tuple(
        CameraInput(
            name=name,
            width_px=vision.image_px[0],
            height_px=vision.image_px[1],
            crop_width_px=vision.crop_px[0],
            crop_height_px=vision.crop_px[1],
            geometry=None,
        )
        for name in vision.cameras
    )


def _action(config: TrainConfig, data_module: DataModule, cell: CellConfig | None) -> ActionSpec:
    """Bounded by what has been demonstrated and, at a cell, by its workspace."""
    actions = np.concatenate([windows.data_set.action for windows in data_module.train])
    low, high = actions.min(0), actions.max(0)
    if cell:
        corners = np.array(cell.workspace.corners_m)
        low, high = np.maximum(low, corners.min(0)), np.minimum(high, corners.max(0))
        if (low >= high).any():
            raise TrainingError(
                f"actions from {actions.min(0)} to {actions.max(0)} are not in the workspace of "
                f"{config.cell}: the data is of another cell"
            )
    return ActionSpec(
        horizon=config.action.horizon,
        execute=config.action.execute,
        space=config.action.space,
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
    )


def _schedule(config: TrainConfig) -> Schedule:
    policy = config.policy
    if isinstance(policy, DiffusionConfig):
        return DiffusionSchedule(
            train_steps=policy.train_steps,
            beta_schedule=policy.beta_schedule,
            prediction=policy.prediction,
            clip_sample=policy.clip_sample,
            inference_steps=policy.inference_steps,
        )
    if isinstance(policy, FlowConfig):
        return FlowSchedule(train_steps=policy.train_steps, inference_steps=policy.inference_steps)
    return DirectSchedule()


def training_record(
    checkpoint: Checkpoint, config: TrainConfig, policy: TrainablePolicy, cell: CellConfig | None
) -> TrainingRecord:
    """How a checkpoint came about."""
    return TrainingRecord(
        data_sets=tuple(
            DataSetRecord(name=name, episodes=count, weight=checkpoint.shares[name])
            for name, count in checkpoint.episodes.items()
        ),
        steps=checkpoint.step,
        seed=config.seed,
        parameters=policy.parameters_at_run_time,
        validation_loss=checkpoint.validation.get("validation_loss"),
        calibration_sha256=active_sha256(cell) if cell else None,
        configuration=_without_folders(checkpoint.config),
    )


def _without_folders(values: Any) -> Any:
    """Plain values whose absolute paths are but names: where they were is nobody else's affair."""
    if isinstance(values, dict):
        return {key: _without_folders(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_without_folders(value) for value in values]
    return Path(values).name if isinstance(values, str) and Path(values).is_absolute() else values
