"""From a checkpoint to a bundle that has been checked against it, frame by frame."""

from __future__ import annotations

import io
import os
import platform
import time
from dataclasses import dataclass
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
from pushcell.training.array_data_set import load_data_sets
from pushcell.training.batches import Batch
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.config import TrainConfig
from pushcell.training.data_module import DataModule
from pushcell.training.denoising import DenoisingPolicy
from pushcell.training.estimated_poses import TrainedPoseEstimator
from pushcell.training.graphs import EncoderGraph, Precision, export_graphs
from pushcell.training.manifest import manifest_of
from pushcell.training.nearest_neighbour import NearestPolicy
from pushcell.training.policy import TrainablePolicy
from pushcell.training.pose_estimator import PoseEstimator

TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.2}
_NOISE_SEED = 0
_TIMED = 100
Frame = dict[str, NDArray]


@dataclass(frozen=True)
class Twins:
    """A policy in PyTorch and what was exported of it."""

    policy: TrainablePolicy
    encoder: EncoderGraph
    runtime: BundlePolicy

    def chunks(self, frame: Frame, seed: int, committed: int) -> tuple[NDArray, NDArray]:
        """(1, H, 2) of each for a raw frame, normalised; some actions are committed already."""
        inputs = self.runtime.prepare(frame)
        noise = self.runtime.noise(seed)
        known = np.clip(noise[0] / 2, -1, 1)
        guide = InpaintingGuide(known, np.zeros(len(known), np.float32), clean=committed)
        with torch.no_grad():
            embedding = self.encoder(*(torch.from_numpy(inputs[key]) for key in self.encoder.names))
            start = torch.from_numpy(noise)
            if isinstance(self.policy, DenoisingPolicy):
                clean = torch.from_numpy(known[None, :committed])
                chunk = self.policy.decode(embedding, start, clean)
            else:
                chunk = self.policy.decode(embedding, start)
        return chunk.numpy(), self.runtime.chunk(inputs, noise, guide if committed else None)


def export(
    path: Path,
    out: Path,
    frames: int,
    precision: Precision,
    pose_estimator_path: Path | None = None,
) -> Manifest:
    """Write the bundle of a checkpoint, if it does the same as the checkpoint on real frames.

    ``pose_estimator_path`` is the checkpoint of the pose estimator; by default that of the
    configuration, if any.
    Raises TrainingError or BundleError, before anything is written.
    """
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
    contents = export_graphs(policy, manifest, pose_estimator, precision)
    networks = Networks(manifest, contents, RuntimeOptions(), str(out))
    twins = Twins(
        policy, EncoderGraph(policy, manifest, pose_estimator), BundlePolicy(manifest, networks)
    )
    shown = _shown_to(pose_estimator, config) if pose_estimator else data_module
    real = _raw_frames(shown.real_frames(frames), manifest)
    if len(real) < frames:
        raise TrainingError(f"{path}: its data sets have {len(real)} windows, to compare {frames}")
    error = _largest_error(twins, real)
    tolerance = TOLERANCE[precision]
    if not error < tolerance:
        raise TrainingError(
            f"{path}: ONNX Runtime's chunks are up to {error:.2e} off PyTorch's, allowed: "
            f"{tolerance:.0e}; nothing was written"
        )
    contents[PARITY] = _parity_file(twins, real[0])
    measured = manifest.changed(
        parity=ParityRecord(frames=len(real), max_abs=error, tolerance=tolerance),
        latency=_latency(twins.runtime, real[0]),
    )
    return write_bundle(out, measured, contents)


def _shown_to(pose_estimator: TrainedPoseEstimator, config: TrainConfig) -> DataModule:
    """Windows of the pose estimator's data sets, with the configuration of the policy."""
    data = pose_estimator.config.data
    data_sets = load_data_sets(data, pose_estimator.vision)
    # Nothing is learned here: gaps between labelled steps do not matter to a comparison.
    sets = tuple(item.changed(slider="recorded") for item in data.sets)
    return DataModule.from_data_sets(config.changed(data=data.changed(sets=sets)), data_sets)


def _raw_frames(batch: Batch, manifest: Manifest) -> list[Frame]:
    """What the run time takes, one window each."""
    arrays = {key: batch.observation[key].double().numpy() for key in manifest.observation.keys} | {
        camera.key: batch.observation[camera.key].movedim(2, -1).numpy()
        for camera in manifest.observation.cameras
    }
    return [{key: values[k] for key, values in arrays.items()} for k in range(len(batch.chunk))]


def _largest_error(twins: Twins, frames: list[Frame]) -> float:
    """Over the whole chunks; with prefixes of all lengths where there may be some."""
    lengths = twins.runtime.manifest.max_prefix + 1
    errors = []
    for number, frame in enumerate(frames):
        ours, theirs = twins.chunks(frame, _NOISE_SEED + number, number % lengths)
        errors.append(np.abs(ours - theirs).max())
    return float(np.max(errors))  # not a number, if one of them is


def _parity_file(twins: Twins, frame: Frame) -> bytes:
    """A frame and what PyTorch makes of it, for whoever loads the bundle to try."""
    runtime, (chunk, _) = twins.runtime, twins.chunks(frame, _NOISE_SEED, committed=0)
    arrays = {**runtime.prepare(frame), "chunk": chunk}
    if runtime.manifest.is_generative:
        arrays["noise"] = runtime.noise(_NOISE_SEED)
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
