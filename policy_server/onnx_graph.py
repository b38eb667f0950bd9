"""Checks an ONNX graph from anyone before ONNX Runtime loads it: it is data, and small data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper, shape_inference

from policy_server.bundle_format import OPSET
from pushcell.errors import BundleError

Shape = tuple[int | None, ...]
Signature = Mapping[str, tuple[str, Shape]]
"""Name -> (element type such as "float", shape); None is a size that is not prescribed."""

_OLDEST_OPSET = 13
_MOST_ELEMENTS = 1 << 27  # of one tensor; half a gigabyte of floats
_MOST_NODES = 20_000
# Loops run as long as they like, and shapes inside of them are not seen from outside.
_CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}


def check_graph(data: bytes, where: str, inputs: Signature, outputs: Signature) -> None:
    """Raise BundleError unless the graph is sound, of a known opset, and has this signature.

    Refused are: data outside the file, operators that are not ONNX's own, control flow, weights
    that are not finite, tensors that are larger than any that a policy needs.
    """
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise BundleError(f"{where} is not an ONNX graph ({error})") from None
    _check_operators(model, where)
    for tensor in _tensors(model.graph):
        _check_tensor(tensor, where)
    try:
        onnx.checker.check_model(model)
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except (onnx.checker.ValidationError, shape_inference.InferenceError, ValueError) as error:
        raise BundleError(f"{where} is not a sound ONNX graph: {_brief(error)}") from None
    for value in [*inferred.value_info, *inferred.output]:
        _check_size(where, value.name, [size or 1 for size in _shape(value)])
    _check_signature(where, "input", inferred.input, inputs)
    _check_signature(where, "output", inferred.output, outputs)


def _check_operators(model: onnx.ModelProto, where: str) -> None:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = opsets.pop("", opsets.pop("ai.onnx", None))
    if opset is None or not _OLDEST_OPSET <= opset <= OPSET:
        raise BundleError(
            f"{where} is of opset {opset}, allowed: {_OLDEST_OPSET} to {OPSET}; export it again"
        )
    if len(model.functions) or len(model.graph.node) > _MOST_NODES:
        raise BundleError(
            f"{where} has {len(model.functions)} functions of its own and "
            f"{len(model.graph.node)} nodes, allowed: 0 and at most {_MOST_NODES}"
        )
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type in _CONTROL_FLOW:
            name = f"{node.domain}.{node.op_type}".lstrip(".")
            raise BundleError(
                f"{where} has the operator {name}, allowed: ONNX's own without control flow"
            )


def _tensors(graph: onnx.GraphProto) -> Iterable[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensor(tensor: TensorProto, where: str) -> None:
    name = tensor.name or "of a node"
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise BundleError(f"{where}: weight {name} is kept in another file; export it as one file")
    _check_size(where, name, tensor.dims)
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{where}: weight {name} cannot be read ({_brief(error)})") from None
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BundleError(f"{where}: weight {name} is not finite")


def _check_size(where: str, name: str, dims: Iterable[int]) -> None:
    shape = list(dims)
    if any(size < 0 for size in shape) or int(np.prod(shape, dtype=object)) > _MOST_ELEMENTS:
        raise BundleError(
            f"{where}: {name} claims shape {shape}, allowed: at most {_MOST_ELEMENTS} elements"
        )


def _check_signature(
    where: str, side: str, values: Iterable[onnx.ValueInfoProto], wanted: Signature
) -> None:
    found = {value.name: value for value in values}
    if set(found) != set(wanted):
        raise BundleError(f"{where} has the {side}s {sorted(found)}, needed: {sorted(wanted)}")
    for name, (element, shape) in wanted.items():
        value = found[name]
        has = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower(), _shape(value)
        if has[0] != element or not _fits(has[1], shape):
            raise BundleError(
                f"{where}: {side} {name} is {has[0]} {has[1]}, needed: {element} {shape}"
            )


def _shape(value: onnx.ValueInfoProto) -> Shape:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def _fits(shape: Shape, wanted: Shape) -> bool:
    """A size that the graph leaves open fits any that is needed."""
    return len(shape) == len(wanted) and all(
        a is None or b is None or a == b for a, b in zip(shape, wanted, strict=True)
    )


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
