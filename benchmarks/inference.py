"""How long a chunk takes: the paper's policy and a small one in PyTorch and in ours; shipped ones.

The paper's policy has two cameras, each with a ResNet-18 (group norm, spatial softmax) that sees
two images of 128 px, and a FiLM U-Net (256/512/1024, kernel 5, DDIM 10); its weights are random,
which cost the same as trained ones. PyTorch runs it eagerly with diffusers' scheduler. All have one
thread and take turns, so that a busy machine slows down all of them; a ratio is of one turn.
"""

from __future__ import annotations

import io
import itertools
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import onnxruntime as ort
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from policy_server.bundle import load_policy
from policy_server.bundle_files import write_bundle
from policy_server.bundle_format import DENOISER, ENCODER, OPSET, PARITY, Manifest
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
from policy_server.onnx_networks import Networks, RuntimeOptions
from policy_server.policy import BundlePolicy
from pushcell.cli.bench import BENCHMARKS
from pushcell.config.cell import load_cell
from pushcell.timing import Distribution
from pushcell.training.config import VisionConfig
from pushcell.training.config_policy import UnetConfig
from pushcell.training.networks import make_network
from pushcell.training.vision import ImageNetwork

HORIZON, STEPS, IMAGE_PX = 16, 10, 128
ROUNDS, WARM_UPS = 20, 2
QUICK = 5  # calls a turn of what takes milliseconds
CAMERAS = ("overhead", "wrist")
PAPER, SMALL = "the paper's policy", "a U-Net 64/128/256 from state"
EAGER, OURS = "PyTorch eager", "ours"
Key = tuple[str, str]
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


class PaperEncoder(nn.Module):
    """Poses and images to an embedding; takes its inputs in the manifest's order."""

    def __init__(self, spec: ObservationSpec) -> None:
        super().__init__()
        config = VisionConfig(
            cameras=CAMERAS,
            image_px=(IMAGE_PX, IMAGE_PX),
            crop_px=(IMAGE_PX, IMAGE_PX),
            network="resnet18",
            pooling="spatial_softmax",
            features=64,
        )
        self.names = tuple(spec.shapes)
        self.cameras = nn.ModuleDict({c.key: ImageNetwork(config) for c in spec.cameras})

    def forward(self, *inputs: Tensor) -> Tensor:
        """(1, D)."""
        parts = []
        for name, value in zip(self.names, inputs, strict=True):
            if name in self.cameras:
                value = self.cameras[name](value.flatten(0, 1))
            parts.append(value.reshape(1, -1))
        return torch.cat(parts, -1)


@dataclass(frozen=True)
class ComparedGraphs:
    """A policy with random weights, in PyTorch and as a bundle on the disk."""

    encoder: PaperEncoder
    network: nn.Module
    manifest: Manifest
    graphs: dict[str, bytes]
    path: Path

    @classmethod
    def made(cls, path: Path, widths: tuple[int, ...], cameras: tuple[str, ...]) -> ComparedGraphs:
        """Exported to a folder."""
        manifest = _manifest(cameras)
        shapes = manifest.observation.shapes
        encoder = PaperEncoder(manifest.observation).eval()
        seen = tuple(torch.full(shape, 0.5) for shape in shapes.values())
        embedding = encoder(*seen).detach()
        config = UnetConfig(widths=widths, step_features=128)
        network = make_network(config, HORIZON, 2, embedding.shape[1]).eval()
        inputs = (torch.zeros(1, HORIZON, 2), torch.zeros(1, dtype=torch.int64), embedding)
        names = ["sample", "timestep", "embedding"]
        graphs = {
            ENCODER: _exported(encoder, seen, list(shapes), "embedding"),
            DENOISER: _exported(network, inputs, names, "prediction"),
        }
        return cls(encoder, network, manifest, graphs, _written(path, manifest, graphs))

    @property
    def parameters(self) -> int:
        """Of encoder and network."""
        modules = (self.encoder, self.network)
        return sum(p.numel() for module in modules for p in module.parameters())

    def eager(self) -> Callable[[], object]:
        """A chunk in PyTorch."""
        seen = [torch.from_numpy(value) for value in _inputs(self.manifest).values()]
        noise = torch.randn(1, HORIZON, 2)
        scheduler = diffusers.DDIMScheduler(
            num_train_timesteps=100, beta_schedule="squaredcos_cap_v2", prediction_type="epsilon"
        )

        def chunk() -> None:
            scheduler.set_timesteps(STEPS)
            sample = noise
            with torch.no_grad():
                embedding = self.encoder(*seen)
                for t in scheduler.timesteps:
                    prediction = self.network(sample, t[None], embedding)
                    sample = scheduler.step(prediction, t, sample).prev_sample

        return chunk


def run() -> dict[str, Any]:
    """Measure."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # as many as ours
    bundles = sorted((BENCHMARKS.parent / "bundles").glob("*/bundle.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        twins = {
            PAPER: ComparedGraphs.made(Path(folder) / "paper", (256, 512, 1024), CAMERAS),
            SMALL: ComparedGraphs.made(Path(folder) / "small", (64, 128, 256), ()),
        }
        paths = {name: pair.path for name, pair in twins.items()}
        paths |= {f"bundles/{path.parent.name}": path.parent for path in bundles}
        calls = {(name, EAGER): pair.eager() for name, pair in twins.items()}
        calls |= {(name, OURS): _ours(path) for name, path in paths.items()}
        times = _in_turn(calls)
        found = {}
        for name, path in paths.items():
            found[name] = _figures(name, times) | _fresh(path)
            if name in twins:
                found[name]["parameters"] = twins[name].parameters
        options = _variants(twins[SMALL])
    return {"threads": 1, "rounds": ROUNDS, "policies": found, "runtime_options_ms": options}


def table(figures: dict[str, Any]) -> Table:
    """One row a policy and runtime, then one a runtime option."""
    shown = Table(title=f"a chunk [ms]; ratios: median, and 5 to 95 % of {figures['rounds']} turns")
    titles = ("what", "p50", "p95", "p99", "itself eager / ours", "paper eager / ours", "start [s]",
              "memory [MB]")  # fmt: skip
    for title in titles:
        shown.add_column(title, justify="left" if title == "what" else "right")
    for name, found in figures["policies"].items():
        for who in (EAGER, OURS):
            if who not in found:
                continue
            times = [f"{1e3 * found[who][key]:.1f}" for key in ("p50", "p95", "p99")]
            rest = [""] * 4
            if who == OURS:
                ratios = (found.get("ratio_to_itself"), found["ratio_to_the_paper"])
                rest = [r and f"{r['p50']:.2f} ({r['p5']:.2f} to {r['p95']:.2f})" for r in ratios]
                rest += [f"{found['start_s']:.2f}", f"{found['memory_mb']:.0f}"]
            shown.add_row(f"{name}, {who}", *times, *rest)
    shown.add_section()
    for name, value in figures["runtime_options_ms"].items():
        shown.add_row(f"{SMALL}, one call: {name}", f"{value:.2f}")
    return shown


def good(figures: dict[str, Any]) -> bool:
    """Whether the targets are met: of the same network, and of a shipped policy with cameras."""
    found = figures["policies"]
    shipped = [one for name, one in found.items() if name.startswith("bundles/")]
    return found[PAPER]["ratio_to_itself"]["p50"] >= 2 and all(
        one["start_s"] < 2
        and one["memory_mb"] < 500
        and one[OURS]["p95"] < 0.025
        and one["ratio_to_the_paper"]["p50"] >= 15
        for one in shipped
    )


def _ours(path: Path) -> Callable[[], object]:
    policy = load_policy(path)
    prepared, noise = _inputs(policy.manifest), policy.noise(0)
    return lambda: policy.chunk(prepared, noise)


def _in_turn(calls: dict[Key, Callable[[], object]]) -> dict[Key, list[list[float]]]:
    """[s] of each call, turn by turn."""
    times: dict[Key, list[list[float]]] = {key: [] for key in calls}
    for turn in track(range(WARM_UPS + ROUNDS), "turns", console=Console(stderr=True)):
        for key, call in calls.items():
            taken = []
            for _ in range(QUICK if key[0].startswith("bundles/") else 1):
                began = time.perf_counter()
                call()
                taken.append(time.perf_counter() - began)
            if turn >= WARM_UPS:
                times[key].append(taken)
    return times


def _figures(name: str, times: dict[Key, list[list[float]]]) -> dict[str, Any]:
    ours = times[name, OURS]
    found: dict[str, Any] = {OURS: asdict(Distribution.of(list(itertools.chain(*ours))))}
    found["ratio_to_the_paper"] = _ratio(times[PAPER, EAGER], ours)
    if (name, EAGER) in times:
        eager = times[name, EAGER]
        found[EAGER] = asdict(Distribution.of(list(itertools.chain(*eager))))
        found["ratio_to_itself"] = _ratio(eager, ours)
    return found


def _ratio(a: list[list[float]], b: list[list[float]]) -> dict[str, float]:
    """Of the medians of the same turns."""
    ratios = [statistics.median(x) / statistics.median(y) for x, y in zip(a, b, strict=True)]
    low, middle, high = np.percentile(ratios, [5, 50, 95])
    return {"p5": float(low), "p50": float(middle), "p95": float(high)}


def _variants(twins: ComparedGraphs) -> dict[str, float]:
    """Median [ms] of one call of the denoiser under each set of options, taking turns."""
    graph = twins.graphs[DENOISER]
    sessions = {name: _session(graph, dict(options)) for name, options in VARIANTS.items()}
    embedding = twins.encoder(*map(torch.from_numpy, _inputs(twins.manifest).values()))
    inputs = {
        "sample": np.zeros((1, HORIZON, 2), np.float32),
        "timestep": np.array([50]),
        "embedding": embedding.numpy(),
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


def _inputs(manifest: Manifest) -> dict[str, np.ndarray]:
    shapes = manifest.observation.shapes
    return {key: np.full(shape, 0.5, np.float32) for key, shape in shapes.items()}


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


def _manifest(cameras: tuple[str, ...]) -> Manifest:
    cell = load_cell(BENCHMARKS.parent / "config" / "cell.sim.yaml")
    size = (IMAGE_PX, IMAGE_PX)
    observation = ObservationSpec(
        steps=2,
        keys=("pusher", "goal") if cameras else ("pusher", "slider", "goal"),
        cameras=tuple(CameraInput.of(cell.camera(name), size, size) for name in cameras),
    )
    return Manifest(
        kind="diffusion",
        rate_hz=10.0,
        observation=observation,
        action=ActionSpec(
            horizon=HORIZON, execute=8, space="absolute", low=(0.4, -0.4), high=(0.8, 0.4)
        ),
        normaliser=Normaliser(data_set="none", action=Range(low=(0.4, -0.4), high=(0.8, 0.4))),
        schedule=DiffusionSchedule(train_steps=100, prediction="epsilon", inference_steps=STEPS),
        task=CellTask.of(cell),
        calibration_sha256=observation.calibration_sha256,
        training=TrainingRecord(
            data_sets=(DataSetRecord(name="none", episodes=1, weight=1.0),),
            steps=1,
            seed=0,
            parameters=1,
        ),
    )
