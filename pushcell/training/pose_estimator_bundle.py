"""A pose estimator in front of a bundle that takes the slider's pose: a bundle from images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from numpy.typing import NDArray

from policy_server.bundle import load_policy
from policy_server.bundle_files import read_bundle
from policy_server.bundle_format import DENOISER, ENCODER, Manifest
from policy_server.bundle_sections import CellTask, ObservationSpec, PushTTask
from policy_server.sampler import InpaintingGuide
from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import TrainingError
from pushcell.shipped import POLICIES
from pushcell.training.data_module import DataModule
from pushcell.training.estimated_poses import TrainedPoseEstimator
from pushcell.training.graphs import SliderPoseGraph, encoder_of_images
from pushcell.training.manifest import camera_inputs, training_record
from pushcell.training.unchecked_bundle import UncheckedBundle


def unchecked_with_pose_estimator(name: Path, pose_estimator_path: Path) -> UncheckedBundle:
    """The bundle (folder or shipped name) with its slider's pose estimated from images.

    Nothing of the policy is trained or changed: its graphs go on as they are. Raises TrainingError
    where bundle and pose estimator do not fit each other.
    """
    path = POLICIES.find(name)
    policy, (manifest, contents) = load_policy(path), read_bundle(path)
    pose_estimator = TrainedPoseEstimator.load(pose_estimator_path, manifest.task.kind)
    config = pose_estimator.config
    cell = load_cell(config.cell) if config.task == "cell" else None
    task = CellTask.of(cell) if cell else PushTTask()
    _check_fits(manifest, task, str(name), str(pose_estimator_path))
    combined = _combined_manifest(manifest, pose_estimator, cell)
    graph = SliderPoseGraph(pose_estimator.policy, combined)

    def reference(
        inputs: Mapping[str, NDArray], noise: NDArray, guide: InpaintingGuide | None
    ) -> NDArray:
        with torch.no_grad():
            slider = graph(*(torch.from_numpy(inputs[key]) for key in graph.names)).numpy()
        given = {**inputs, "slider": slider}
        taken = {key: given[key] for key in manifest.observation.shapes}
        return policy.chunk(taken, noise, guide)

    encoder = encoder_of_images(contents[ENCODER], graph, combined)
    return UncheckedBundle(
        combined,
        {ENCODER: encoder, DENOISER: contents[DENOISER]},
        reference,
        DataModule.shown_to(pose_estimator, config),
    )


def _check_fits(
    manifest: Manifest, task: CellTask | PushTTask, bundle: str, estimator: str
) -> None:
    if "slider" not in manifest.observation.keys:
        raise TrainingError(
            f"{bundle} takes no slider's pose: it has no use for the pose estimator {estimator}"
        )
    if manifest.observation.cameras or manifest.normaliser.keys:
        raise TrainingError(
            f"{bundle} takes images or normalised poses besides the slider's pose: export its "
            "checkpoint instead"
        )
    if task != manifest.task:
        raise TrainingError(
            f"{bundle} is for the {manifest.task.kind} task {manifest.task}, the pose estimator "
            f"{estimator} for {task}: train a policy for that cell, and export its checkpoint"
        )


def _combined_manifest(
    manifest: Manifest, pose_estimator: TrainedPoseEstimator, cell: CellConfig | None
) -> Manifest:
    config = pose_estimator.config
    others = [key for key in manifest.observation.keys if key not in ("pusher", "slider")]
    observation = ObservationSpec(
        steps=manifest.observation.steps,
        keys=("pusher", *others),
        cameras=camera_inputs(pose_estimator.vision, cell),
    )
    estimator = training_record(pose_estimator.checkpoint, config, pose_estimator.policy, cell)
    return manifest.changed(
        observation=observation,
        calibration_sha256=observation.calibration_sha256,
        training=manifest.training.changed(pose_estimator=estimator),
        parity=None,
        latency=None,
        files={},
    )
