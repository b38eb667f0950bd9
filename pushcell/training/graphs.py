"""A policy as two ONNX graphs: what it makes of an observation, and one step of making a chunk."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import Literal

import onnx
import torch
from torch import Tensor, nn

from policy_server.bundle_format import DENOISER, ENCODER, OPSET, Manifest
from pushcell.errors import TrainingError
from pushcell.training.batches import Observation
from pushcell.training.denoising import DenoisingPolicy
from pushcell.training.estimated_poses import TrainedPoseEstimator
from pushcell.training.policy import TrainablePolicy
from pushcell.training.pose_estimator import PoseEstimator, poses_of
from pushcell.training.pose_features import SliderFrame

_SAMPLES = 2  # to export with; a single one would be taken for the only number there is
Precision = Literal["fp32", "fp16", "int8"]


class EncoderGraph(nn.Module):
    """Takes the manifest's inputs in their order, gives the embedding (1, D)."""

    def __init__(
        self,
        policy: TrainablePolicy,
        manifest: Manifest,
        pose_estimator: TrainedPoseEstimator | None,
    ) -> None:
        super().__init__()
        self.encoder, self.pose_estimator = (
            policy.encoder,
            pose_estimator.policy if pose_estimator else None,
        )
        self.names = tuple(manifest.observation.shapes)

    def forward(self, *inputs: Tensor) -> Tensor:
        """See the class."""
        observation = _with_all_poses(dict(zip(self.names, inputs, strict=True)))
        if self.pose_estimator is None:
            return self.encoder(observation)
        return self.encoder.embed(observation, _estimated(self.pose_estimator, observation))


class SliderPoseGraph(nn.Module):
    """Takes the manifest's inputs in their order, gives the slider's poses (1, To, 3)."""

    def __init__(self, pose_estimator: PoseEstimator, manifest: Manifest) -> None:
        super().__init__()
        self.pose_estimator = pose_estimator
        self.inputs = {name: torch.zeros(s) for name, s in manifest.observation.shapes.items()}
        self.names = tuple(self.inputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """See the class."""
        observation = _with_all_poses(dict(zip(self.names, inputs, strict=True)))
        return poses_of(_estimated(self.pose_estimator, observation))


def _with_all_poses(given: Observation) -> Observation:
    """With zeros for poses that are not given, because no feature is made of them."""
    image_or_pose = next(values for key, values in given.items() if key != "goal")
    poses = torch.zeros(1, image_or_pose.shape[1], 3)
    return {"pusher": poses, "slider": poses, "goal": poses[:, 0]} | given


def _estimated(pose_estimator: PoseEstimator, observation: Observation) -> SliderFrame:
    """The slider's frames (1, To) in an observation of To moments."""
    moments = {key: values[0][:, None] for key, values in observation.items() if key != "goal"}
    moments["goal"] = observation["goal"].expand(len(moments["pusher"]), -1)
    seen = pose_estimator.frame(moments)
    return SliderFrame(seen.origin[None], seen.direction[None])


class DenoiserGraph(nn.Module):
    """One prediction: sample, timestep, embedding and, where it is known, prefix."""

    def __init__(self, policy: DenoisingPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(
        self, sample: Tensor, timestep: Tensor, embedding: Tensor, prefix: Tensor | None = None
    ) -> Tensor:
        """(1, H, 2)."""
        return self.policy.denoise(sample, timestep, embedding, prefix)


class DirectGraph(nn.Module):
    """The chunk itself, of the embedding alone."""

    def __init__(self, policy: TrainablePolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, embedding: Tensor) -> Tensor:
        """(1, H, 2)."""
        return self.policy.decode(embedding, embedding.new_zeros(1, self.policy.horizon, 2))


def export_graphs(
    policy: TrainablePolicy,
    manifest: Manifest,
    pose_estimator: TrainedPoseEstimator | None,
    precision: Precision,
) -> dict[str, bytes]:
    """Both graphs of a policy, by file name; raises TrainingError if one cannot be exported."""
    shapes = manifest.observation.shapes
    inputs = {name: torch.zeros(shape) for name, shape in shapes.items()}
    denoises = isinstance(policy, DenoisingPolicy)
    samples = _SAMPLES if denoises else 1
    known = {
        "sample": torch.zeros(samples, policy.horizon, 2),
        "timestep": torch.zeros(samples, dtype=torch.int64),
        "embedding": torch.zeros(samples, policy.encoder.embedding_size),
        "prefix": torch.zeros(samples, dtype=torch.int64),
    }
    taken = {name: known[name] for name in manifest.denoiser_inputs}
    decoder: nn.Module = DirectGraph(policy)
    if isinstance(policy, DenoisingPolicy):
        decoder = DenoiserGraph(policy)
    models = {
        ENCODER: _exported(EncoderGraph(policy, manifest, pose_estimator), inputs, "embedding"),
        DENOISER: _exported(decoder, taken, "prediction", open_batch=denoises),
    }
    return {name: _reduced(model, precision) for name, model in models.items()}


def encoder_of_images(encoder: bytes, graph: SliderPoseGraph, manifest: Manifest) -> bytes:
    """An exported encoder that takes the slider's pose, with a pose estimator before it."""
    later, slider = onnx.load_from_string(encoder), _exported(graph, graph.inputs, "slider")
    earlier = onnx.compose.add_prefix(
        slider, "pose_estimator/", rename_inputs=False, rename_outputs=False
    )
    given = {value.name: value for part in (earlier, later) for value in part.graph.input}
    joined = onnx.helper.make_graph(
        [*earlier.graph.node, *later.graph.node],
        later.graph.name,
        [given[name] for name in manifest.observation.shapes],
        later.graph.output,
        [*earlier.graph.initializer, *later.graph.initializer],
    )
    model = onnx.helper.make_model(
        joined, opset_imports=later.opset_import, ir_version=later.ir_version
    )
    return model.SerializeToString()


def _exported(
    graph: nn.Module, inputs: dict[str, Tensor], output: str, open_batch: bool = False
) -> onnx.ModelProto:
    """``open_batch``: whether the graph shall take any number of samples, and not one alone."""
    shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs) if open_batch else None
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it tells of every stage
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                graph.eval(),
                tuple(inputs.values()),
                dynamo=True,
                dynamic_shapes=shapes,
                verbose=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=[output],
            )
        except torch.onnx.OnnxExporterError as error:
            raise TrainingError(
                f"this {type(graph).__name__} cannot be exported to ONNX opset {OPSET}: {error}"
            ) from None
    assert program is not None
    model = program.model_proto
    drawn = model.graph
    for part in (model, drawn, *drawn.node, *drawn.input, *drawn.output, *drawn.value_info):
        del part.metadata_props[:]  # line by line where each came about, on whose disk
    return model


def _reduced(model: onnx.ModelProto, precision: Precision) -> bytes:
    """The graph's bytes, its weights in fewer bits where asked for."""
    if precision == "fp32":
        return model.SerializeToString()
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    del model.graph.value_info[:]  # of the shapes before weights were put the other way round
    if precision == "fp16":
        halved = ONNXModel(convert_float_to_float16(model, keep_io_types=True))
        halved.topological_sort()  # the conversion adds nodes at the end
        return halved.model.SerializeToString()
    target = io.BytesIO()
    kinds = ["MatMul", "Gemm"]
    quantize_dynamic(model, target, op_types_to_quantize=kinds, weight_type=QuantType.QInt8)
    return target.getvalue()
