"""Bundles with tiny graphs, written with onnx.helper: they load, run and push without training.

The encoder lays its inputs side by side (of an image its mean colours); the denoiser is one matrix.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from policy_server.bundle_files import write_bundle
from policy_server.bundle_format import DENOISER, ENCODER, OPSET, PARITY, Manifest
from policy_server.onnx_networks import Networks, RuntimeOptions
from policy_server.policy import BundlePolicy

F, I64 = TensorProto.FLOAT, TensorProto.INT64


def model(nodes, inputs, outputs, weights=()) -> onnx.ModelProto:
    """A graph of nodes; inputs and outputs as {name: (type, shape)}; weights as {name: array}."""
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(n, *v) for n, v in inputs.items()],
        [helper.make_tensor_value_info(n, *v) for n, v in outputs.items()],
        [numpy_helper.from_array(a, n) for n, a in dict(weights).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def encoder(manifest: Manifest) -> onnx.ModelProto:
    """All inputs in a row."""
    nodes, parts = [], []
    for key, shape in manifest.observation.shapes.items():
        source = key
        if len(shape) == 5:
            source = f"{key}_mean"
            nodes.append(helper.make_node("ReduceMean", [key, "pixels"], [source], keepdims=0))
        nodes.append(helper.make_node("Flatten", [source], [f"{key}_flat"]))
        parts.append(f"{key}_flat")
    nodes.append(helper.make_node("Concat", parts, ["embedding"], axis=1))
    inputs = {key: (F, shape) for key, shape in manifest.observation.shapes.items()}
    outputs = {"embedding": (F, (1, width(manifest)))}
    return model(nodes, inputs, outputs, {"pixels": np.array([3, 4], np.int64)})


def width(manifest: Manifest) -> int:
    """Of the embedding."""
    return sum(
        int(np.prod(shape[1:3] if len(shape) == 5 else shape[1:]))
        for shape in manifest.observation.shapes.values()
    )


def denoiser(
    manifest: Manifest,
    matrix: np.ndarray,
    bias: np.ndarray,
    of_sample: float = 0.0,
    batch: int | None = 1,
) -> onnx.ModelProto:
    """prediction = embedding @ matrix + bias + of_sample * sample; batch None: of any size."""
    chunk = (batch, manifest.action.horizon, 2)
    nodes = [
        helper.make_node("Gemm", ["embedding", "matrix", "bias"], ["row"]),
        helper.make_node("Reshape", ["row", "shape"], ["of_embedding"]),
    ]
    known = {
        "sample": (F, chunk),
        "timestep": (I64, (batch,)),
        "embedding": (F, (batch, width(manifest))),
        "prefix": (I64, (batch,)),
    }
    inputs = {name: known[name] for name in manifest.denoiser_inputs}
    if manifest.is_generative:
        nodes.append(helper.make_node("Mul", ["sample", "share"], ["of_sample"]))
        nodes.append(helper.make_node("Add", ["of_embedding", "of_sample"], ["prediction"]))
    else:
        nodes.append(helper.make_node("Identity", ["of_embedding"], ["prediction"]))
    weights = {
        "matrix": matrix.astype(np.float32),
        "bias": bias.astype(np.float32),
        "shape": np.array((-1, *chunk[1:]), np.int64),
        "share": np.array(of_sample, np.float32),
    }
    return model(nodes, inputs, {"prediction": (F, chunk)}, weights)


def random_graphs(
    manifest: Manifest, seed: int = 0, batch: int | None = 1
) -> dict[str, onnx.ModelProto]:
    """Graphs without any sense, whose outputs depend on every input."""
    rng = np.random.default_rng(seed)
    size = 2 * manifest.action.horizon
    matrix = rng.normal(0, 0.3, (width(manifest), size))
    of_sample = 0.3 if manifest.is_generative else 0.0
    graph = denoiser(manifest, matrix, rng.normal(0, 0.1, size), of_sample, batch)
    return {ENCODER: encoder(manifest), DENOISER: graph}


def driving_graphs(manifest: Manifest, to: np.ndarray, share: float) -> dict[str, onnx.ModelProto]:
    """Graphs of a policy (prediction x0) that goes a share of the way to a point in each step."""
    keys = list(manifest.observation.shapes)
    start = sum(int(np.prod(manifest.observation.shapes[k])) for k in keys[: keys.index("pusher")])
    newest = start + 3 * (manifest.observation.steps - 1)
    scale = manifest.normaliser.action
    slope = 2 / (np.array(scale.high) - scale.low)
    matrix = np.zeros((width(manifest), manifest.action.horizon, 2))
    bias = np.zeros((manifest.action.horizon, 2))
    for step in range(manifest.action.horizon):
        left = (1 - share) ** (step + 1)
        for axis in range(2):
            matrix[newest + axis, step, axis] = left * slope[axis]
            bias[step, axis] = ((1 - left) * to[axis] - scale.low[axis]) * slope[axis] - 1
    size = 2 * manifest.action.horizon
    graph = denoiser(manifest, matrix.reshape(-1, size), bias.reshape(size))
    return {ENCODER: encoder(manifest), DENOISER: graph}


def write_toy(folder: Path, manifest: Manifest, graphs: dict[str, onnx.ModelProto]) -> Path:
    """A whole bundle of these graphs; its parity frame is made of random inputs."""
    files = {name: graph.SerializeToString() for name, graph in graphs.items()}
    policy = BundlePolicy(manifest, Networks(manifest, files, RuntimeOptions(), "toy"))
    rng = np.random.default_rng(0)
    frame = {
        key: rng.uniform(0, 1, shape).astype(np.float32)
        for key, shape in manifest.observation.shapes.items()
    }
    noise = policy.noise(0)
    arrays = {**frame, "chunk": policy.chunk(frame, noise)}
    if manifest.is_generative:
        arrays["noise"] = noise
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bundle(folder, manifest, {**files, PARITY: buffer.getvalue()})
    return folder
