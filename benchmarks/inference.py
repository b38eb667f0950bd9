"""How long a chunk takes: the paper's denoising network and a small one, in PyTorch and in ours.

The paper's network is its FiLM U-Net (256/512/1024, kernel 5, DDIM 10) without its image encoder,
with random weights, which cost the same as trained ones. PyTorch runs it eagerly with diffusers'
scheduler. Both have one thread and take turns, so that a busy machine slows down both.
"""

from __future__ import annotations

import io
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import onnxruntime as ort
import torch
from rich.table import Table
from torch import Tensor, nn

from policy_server.bundle_files import write_bundle
from policy_server.bundle_format import DENOISER, ENCODER, OPSET, PARITY, Manifest
from policy_server.bundle_sections import (
    ActionSpec,
    CellTask,
    DataSetRecord,
    DiffusionSchedule,
    Normaliser,
    ObservationSpec,
    Range,
    TrainingRecord,
)
from policy_server.networks import Networks, RuntimeOptions
from policy_server.policy import BundlePolicy
from pushcell.bench import BENCHMARKS
from pushcell.config import load_cell
from pushcell.timing import Distribution
from pushcell.training.config_policy import UnetConfig
from pushcell.training.networks import make_network

HORIZON, STEPS, EMBEDDING = 16, 10, 128
ROUNDS = {"paper": 6, "small": 30}
WIDTHS = {"paper": (256, 512, 1024), "small": (64, 128, 256)}
VARIANTS: dict[str, dict[str, Any]] = {
    "as set: 1 thread": {},
    "2 threads": {"intra_op_num_threads": 2},
    "2 threads, spinning": {"intra_op_num_threads": 2, "spinning": "1"},
    "without memory arena": {"enable_cpu_mem_arena": False},
    "without graph optimisation": {
        "graph_optimization_level": ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    },
}
_FRESH = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
import psutil
from policy_server.bundle import load_policy
policy = load_policy(Path(sys.argv[1]))
loaded = time.perf_counter() - began
print(json.dumps([loaded, psutil.Process().memory_info().rss / 2**20, "torch" in sys.modules]))
"""


class Encoder(nn.Module):
    """State to embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(15, EMBEDDING)

    def forward(self, pusher: Tensor, slider: Tensor, goal: Tensor) -> Tensor:
        """(1, EMBEDDING)."""
        return self.layer(torch.cat([pusher.flatten(1), slider.flatten(1), goal], -1))


def run() -> dict[str, Any]:
    """Measure; ratios are of medians of the same rounds."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # as many as ours
    manifest = _manifest()
    figures: dict[str, Any] = {"threads": torch.get_num_threads(), "networks": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, widths in WIDTHS.items():
            config = UnetConfig(widths=widths, step_features=128)
            network = make_network(config, HORIZON, 2, EMBEDDING).eval()
            files = _graphs(network)
            path = _written(Path(folder) / name, manifest, files)
            figures["networks"][name] = {
                "parameters": sum(p.numel() for p in network.parameters()),
                **_compared(network, manifest, files, ROUNDS[name]),
                **_fresh(path),
            }
        figures["runtime_options_ms"] = _variants(files[DENOISER])
        for path in sorted((BENCHMARKS.parent / "bundles").glob("*/bundle.yaml")):
            figures["networks"][f"bundles/{path.parent.name}"] = _bundle(path.parent)
    return figures


def table(figures: dict[str, Any]) -> Table:
    """One row a network, then one a runtime option."""
    shown = Table(title=f"a chunk of {STEPS} DDIM steps [ms]")
    for title in ("what", "p50", "p95", "p99", "eager / ours", "start [s]", "memory [MB]"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    for name, found in figures["networks"].items():
        for who in ("PyTorch eager", "ours"):
            if who in found:
                times = [f"{1e3 * found[who][key]:.1f}" for key in ("p50", "p95", "p99")]
                rest = ["", "", ""]
                if who == "ours":
                    ratio = f"{found['ratio']:.2f}" if "ratio" in found else ""
                    rest = [ratio, f"{found['start_s']:.2f}", f"{found['memory_mb']:.0f}"]
                shown.add_row(f"{name}, {who}", *times, *rest)
    shown.add_section()
    for name, value in figures["runtime_options_ms"].items():
        shown.add_row(f"small, one call: {name}", f"{value:.2f}", "", "", "", "", "")
    return shown


def _compared(
    network: nn.Module, manifest: Manifest, files: dict[str, bytes], rounds: int
) -> dict[str, Any]:
    policy = BundlePolicy(manifest, Networks(manifest, files, RuntimeOptions(), "bench"))
    prepared, noise = _inputs(manifest), policy.noise(0)
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=100, beta_schedule="squaredcos_cap_v2", prediction_type="epsilon"
    )
    embedding = torch.zeros(1, EMBEDDING)

    def eager() -> None:
        scheduler.set_timesteps(STEPS)
        sample = torch.from_numpy(noise)
        with torch.no_grad():
            for t in scheduler.timesteps:
                prediction = network(sample, t[None], embedding)
                sample = scheduler.step(prediction, t, sample).prev_sample

    theirs, ours = _in_turn(eager, lambda: policy.chunk(prepared, noise), rounds)
    return {
        "PyTorch eager": asdict(Distribution.of(theirs)),
        "ours": asdict(Distribution.of(ours)),
        "ratio": statistics.median(theirs) / statistics.median(ours),
    }


def _in_turn(
    a: Callable[[], object], b: Callable[[], object], rounds: int
) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 2):
        for call, kept in zip((a, b), times, strict=True):
            began = time.perf_counter()
            call()
            if number >= 2:
                kept.append(time.perf_counter() - began)
    return times


def _variants(graph: bytes) -> dict[str, float]:
    """Median [ms] of one call of the denoiser under each set of options, taking turns."""
    sessions = {name: _session(graph, dict(options)) for name, options in VARIANTS.items()}
    inputs = {
        "sample": np.zeros((1, HORIZON, 2), np.float32),
        "timestep": np.array([50]),
        "embedding": np.zeros((1, EMBEDDING), np.float32),
    }
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(105):
        for name, session in sessions.items():
            began = time.perf_counter()
            session.run(None, inputs)
            if number >= 5:
                times[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def _session(graph: bytes, changes: dict[str, Any]) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", changes.pop("spinning", "0")
    )
    for name, value in changes.items():
        setattr(options, name, value)
    return ort.InferenceSession(graph, options, ["CPUExecutionProvider"])


def _fresh(path: Path) -> dict[str, Any]:
    """A process of its own: how long to a loaded, checked policy with its first chunk."""
    words = [sys.executable, "-c", _FRESH, str(path)]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    start_s, memory_mb, torch_imported = json.loads(output)
    return {"start_s": start_s, "memory_mb": memory_mb, "torch_imported": torch_imported}


def _bundle(path: Path) -> dict[str, Any]:
    from policy_server.bundle import load_policy

    policy = load_policy(path)
    prepared, noise, times = _inputs(policy.manifest), policy.noise(0), []
    for _ in range(ROUNDS["small"]):
        began = time.perf_counter()
        policy.chunk(prepared, noise)
        times.append(time.perf_counter() - began)
    return {"ours": asdict(Distribution.of(times)), **_fresh(path)}


def _inputs(manifest: Manifest) -> dict[str, np.ndarray]:
    shapes = manifest.observation.shapes
    return {key: np.full(shape, 0.5, np.float32) for key, shape in shapes.items()}


def _graphs(network: nn.Module) -> dict[str, bytes]:
    poses, goal = torch.zeros(1, 2, 3), torch.zeros(1, 3)
    encoder = _exported(Encoder(), (poses, poses, goal), ["pusher", "slider", "goal"], "embedding")
    example = (torch.zeros(1, HORIZON, 2), torch.zeros(1, dtype=torch.int64))
    inputs = (*example, torch.zeros(1, EMBEDDING))
    names = ["sample", "timestep", "embedding"]
    return {ENCODER: encoder, DENOISER: _exported(network, inputs, names, "prediction")}


def _exported(graph: nn.Module, inputs: tuple[Tensor, ...], names: list[str], out: str) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses what is not needed
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.eval(),
            inputs,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=names,
            output_names=[out],
        )
    assert program is not None
    return program.model_proto.SerializeToString()


def _written(path: Path, manifest: Manifest, files: dict[str, bytes]) -> Path:
    """The bundle, so that its loading can be timed with all of its checks."""
    policy = BundlePolicy(manifest, Networks(manifest, files, RuntimeOptions(), str(path)))
    prepared, noise = _inputs(manifest), policy.noise(0)
    buffer = io.BytesIO()
    np.savez(buffer, **prepared, noise=noise, chunk=policy.chunk(prepared, noise))
    write_bundle(path, manifest, {**files, PARITY: buffer.getvalue()})
    return path


def _manifest() -> Manifest:
    cell = load_cell(BENCHMARKS.parent / "config" / "cell.sim.yaml")
    return Manifest(
        kind="diffusion",
        rate_hz=10.0,
        observation=ObservationSpec(steps=2, keys=("pusher", "slider", "goal")),
        action=ActionSpec(
            horizon=HORIZON, execute=8, space="absolute", low=(0.4, -0.4), high=(0.8, 0.4)
        ),
        normaliser=Normaliser(data_set="none", action=Range(low=(0.4, -0.4), high=(0.8, 0.4))),
        schedule=DiffusionSchedule(train_steps=100, prediction="epsilon", inference_steps=STEPS),
        task=CellTask.of(cell),
        training=TrainingRecord(
            data_sets=(DataSetRecord(name="none", episodes=1, weight=1.0),),
            steps=1,
            seed=0,
            parameters=1,
        ),
    )
