"""Manifests made up for tests."""

from __future__ import annotations

from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import (
    ActionSpec,
    CameraInput,
    CellTask,
    DataSetRecord,
    DiffusionSchedule,
    Normaliser,
    ObservationSpec,
    Range,
    TrainingRecord,
)
from pushcell.config.cell import CellConfig


def some_manifest(cell: CellConfig, cameras: tuple[str, ...] = (), **changes: object) -> Manifest:
    """Of a diffusion policy for the cell, from state or from cameras at 32 px, cropped to 28."""
    keys = ("pusher", "goal") if cameras else ("pusher", "slider", "goal")
    observation = ObservationSpec(
        steps=2,
        keys=keys,
        cameras=tuple(CameraInput.of(cell.camera(c), (32, 32), (28, 28)) for c in cameras),
    )
    values = {
        "kind": "diffusion",
        "rate_hz": 10.0,
        "observation": observation,
        "action": ActionSpec(
            horizon=16, execute=8, space="absolute", low=(0.43, -0.36), high=(0.79, 0.35)
        ),
        "normaliser": Normaliser(
            data_set="made-up", action=Range(low=(0.4, -0.4), high=(0.8, 0.4))
        ),
        "schedule": DiffusionSchedule(train_steps=100, prediction="epsilon", inference_steps=10),
        "task": CellTask.of(cell),
        "calibration_sha256": observation.calibration_sha256,
        "training": TrainingRecord(
            data_sets=(DataSetRecord(name="made-up", episodes=3, weight=1.0),),
            steps=1,
            seed=0,
            parameters=1,
        ),
    }
    return Manifest(**{**values, **changes})
