"""From a checkpoint to a bundle that has been checked against it, frame by frame."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from policy_server.bundle_files import write_bundle
from policy_server.bundle_format import PARITY, Manifest
from policy_server.bundle_sections import LatencyRecord, ParityRecord
from policy_server.onnx_networks import Networks, RuntimeOptions
from policy_server.policy import BundlePolicy
from policy_server.sampler import InpaintingGuide
from pushcell.errors import TrainingError
from pushcell.shipped import POLICIES
from pushcell.training.batches import Batch
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.data_module import DataModule
from pushcell.training.denoising import DenoisingPolicy
from pushcell.training.estimated_poses import TrainedPoseEstimator
from pushcell.training.graphs import EncoderGraph, Precision, export_graphs
from pushcell.training.manifest import manifest_of
from pushcell.training.nearest_neighbour import NearestPolicy
from pushcell.training.pose_estimator import PoseEstimator
from pushcell.training.pose_estimator_bundle import unchecked_with_pose_estimator
from pushcell.training.unchecked_bundle import Reference, UncheckedBundle, committed_guide

TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.2}
_NOISE_SEED = 0
_TIMED = 100
Frame = dict[str, NDArray]


def export(
    path: Path,
    out: Path,
    frames: int,
    precision: Precision,
    pose_estimator_path: Path | None = None,
    guidance: float = 0.0,
) -> Manifest:
    """Write a bundle, if it computes on real frames what its origin computes.

    ``path`` is a checkpoint; with ``pose_estimator_path``, the checkpoint of a pose estimator, it
    may also be a bundle from poses (its folder or shipped name). By default the pose estimator is
    that of the configuration, if any. Raises TrainingError or BundleError, before anything is
    written.
    """
    if _is_bundle(path):
        if pose_estimator_path is None:
            raise TrainingError(
                f"{path} is a bundle already; --pose-estimator makes one that observes images of it"
            )
        if precision != "fp32":
            raise TrainingError(
                f"the weights of {path} stay as they are: --precision {precision} needs its "
                "checkpoint"
            )
        if guidance:
            raise TrainingError(f"{path}: --guidance needs the policy's checkpoint")
        unchecked = unchecked_with_pose_estimator(path, pose_estimator_path)
    else:
        unchecked = _unchecked_of_checkpoint(path, precision, pose_estimator_path, guidance)
    manifest, contents = unchecked.manifest, unchecked.contents
    networks = Networks(manifest, contents, RuntimeOptions(), str(out))
    runtime = BundlePolicy(manifest, networks)
    real = _raw_frames(
        unchecked.data_module.real_frames(frames, manifest.observation.steps), manifest
    )
    if len(real) < frames:
        raise TrainingError(f"{path}: its data sets have {len(real)} windows, to compare {frames}")
    error = _largest_error(unchecked.reference, runtime, real)
    tolerance = TOLERANCE[precision]
    if not error < tolerance:
        raise TrainingError(
            f"{path}: ONNX Runtime's chunks are up to {error:.2e} off PyTorch's, allowed: "
            f"{tolerance:.0e}; nothing was written"
        )
    files = {**contents, PARITY: _parity_file(unchecked.reference, runtime, real[0])}
    measured = manifest.changed(
        parity=ParityRecord(frames=len(real), max_abs=error, tolerance=tolerance),
        latency=_latency(runtime, real[0]),
    )
    return write_bundle(out, measured, files)


def _is_bundle(path: Path) -> bool:
    return path.is_dir() or (str(path) in POLICIES.names() and not path.exists())


def _unchecked_of_checkpoint(
    path: Path, precision: Precision, pose_estimator_path: Path | None, guidance: float
) -> UncheckedBundle:
    checkpoint = Checkpoint.load(path)
    config = checkpoint.train_config(path)
    policy = checkpoint.averaged_policy(path)
    if isinstance(policy, PoseEstimator):
        raise TrainingError(
            f"{path} is a pose estimator; name it as observation.pose_from of a policy, and export "
            "that"
        )
    if isinstance(policy, NearestPolicy):
        policy.freeze()
    if guidance and not isinstance(policy, DenoisingPolicy):
        raise TrainingError(f"{path}: guidance is for policies of kind diffusion and flow")
    if guidance and isinstance(policy, DenoisingPolicy):
        policy.guide(guidance)
    pose_estimator_path = pose_estimator_path or config.observation.pose_from
    if pose_estimator_path and not config.observation.uses_slider_pose:
        raise TrainingError(
            f"{path} takes no slider's pose: it has no use for the pose estimator "
            f"{pose_estimator_path}"
        )
    pose_estimator = (
        TrainedPoseEstimator.load(pose_estimator_path, config.task) if pose_estimator_path else None
    )
    data_module = DataModule.of(config)
    manifest = manifest_of(checkpoint, config, policy, pose_estimator, data_module)
    manifest = manifest.changed(guidance=guidance)
    encoder = EncoderGraph(policy, manifest, pose_estimator)

    def reference(
        inputs: Mapping[str, NDArray], noise: NDArray, guide: InpaintingGuide | None
    ) -> NDArray:
        with torch.no_grad():
            embedding = encoder(*(torch.from_numpy(inputs[key]) for key in encoder.names))
            start = torch.from_numpy(noise)
            if isinstance(policy, DenoisingPolicy):
                clean = guide.chunk[None, : guide.clean] if guide else noise[:, :0]
                return policy.decode(embedding, start, torch.from_numpy(clean)).numpy()
            return policy.decode(embedding, start).numpy()

    return UncheckedBundle(
        manifest,
        export_graphs(policy, manifest, pose_estimator, precision),
        reference,
        DataModule.shown_to(pose_estimator, config) if pose_estimator else data_module,
    )


def _raw_frames(batch: Batch, manifest: Manifest) -> list[Frame]:
    """What the run time takes, one window each."""
    arrays = {key: batch.observation[key].double().numpy() for key in manifest.observation.keys} | {
        camera.key: batch.observation[camera.key].movedim(2, -1).numpy()
        for camera in manifest.observation.cameras
    }
    return [{key: values[k] for key, values in arrays.items()} for k in range(len(batch.chunk))]


def _largest_error(reference: Reference, runtime: BundlePolicy, frames: list[Frame]) -> float:
    """Over the whole chunks; with prefixes of all lengths where there may be some."""
    lengths = runtime.manifest.max_prefix + 1
    errors = []
    for number, frame in enumerate(frames):
        inputs, noise = runtime.prepare(frame), runtime.noise(_NOISE_SEED + number)
        guide = committed_guide(noise, number % lengths)
        difference = reference(inputs, noise, guide) - runtime.chunk(inputs, noise, guide)
        errors.append(np.abs(difference).max())
    return float(np.max(errors))  # not a number, if one of them is


def _parity_file(reference: Reference, runtime: BundlePolicy, frame: Frame) -> bytes:
    """A frame and what PyTorch makes of it, for whoever loads the bundle to try."""
    inputs, noise = runtime.prepare(frame), runtime.noise(_NOISE_SEED)
    arrays = {**inputs, "chunk": reference(inputs, noise, None)}
    if runtime.manifest.is_generative:
        arrays["noise"] = noise
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _latency(runtime: BundlePolicy, frame: Frame) -> LatencyRecord:
    taken = []
    for seed in range(_TIMED):
        began = time.perf_counter()
        runtime.chunk(runtime.prepare(frame), runtime.noise(seed))
        taken.append(1e3 * (time.perf_counter() - began))
    p50, p95, p99 = np.percentile(taken, [50, 95, 99])
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs"
    return LatencyRecord(
        machine=machine, threads=1, chunks=_TIMED, p50_ms=p50, p95_ms=p95, p99_ms=p99
    )
