"""Whatever a client or a bundle's author sends: a named error or a sound answer, nothing else.

``make test`` tries some hundred inputs; how many it tries tells at its end, so as in

    HYPOTHESIS_PROFILE=thorough python -m pytest tests/policy_server/test_fuzz.py --timeout 3600
"""

import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgpack
import numpy as np
import onnx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from policy_server.bundle import load_policy
from policy_server.bundle_files import read_bundle, write_bundle
from policy_server.bundle_format import DENOISER, ENCODER, FILES, MANIFEST
from policy_server.bundle_sections import ActionSpec
from policy_server.message_codec import ProtocolError, pack, unpack
from policy_server.policy import BundlePolicy, ChunkRequest
from pushcell.config.cell import CellConfig
from pushcell.errors import BundleError, PushcellError
from tests.policy_server.examples import some_manifest
from tests.policy_server.test_bundle import some_values
from tests.policy_server.toy_bundle import random_graphs, write_toy

sending = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
# A bundle takes as long to write and load as many messages.
loading = settings(sending, max_examples=sending.max_examples // 4)

TRIED: Counter[str] = Counter()

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ARRAYS = st.sampled_from(["<f4", "<f8", "<f2", "|u1", "<i8", "|b1", ">f4"]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, max_side=4))
)


@pytest.fixture(scope="module", autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Say at the end how many inputs were tried."""
    yield
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    counts = ", ".join(f"{what} {count}" for what, count in TRIED.items())
    reporter.write_line(f"\ninputs tried: {counts}; {sum(TRIED.values())} in all")


@pytest.fixture(scope="module")
def bundle(cell: CellConfig, tmp_path_factory) -> Path:
    action = ActionSpec(
        horizon=16, execute=8, space="relative_to_pusher", low=(0.43, -0.36), high=(0.79, 0.35)
    )
    manifest = some_manifest(cell, ("overhead",), max_prefix=4, action=action)
    return write_toy(
        tmp_path_factory.mktemp("sound"), manifest, random_graphs(manifest, batch=None)
    )


@pytest.fixture(scope="module")
def policy(bundle: Path) -> BundlePolicy:
    return load_policy(bundle)


def damaged(data: st.DataObject, content: bytes, least: int = 0) -> bytes:
    """Cut off, but for the ``least`` first bytes, and with some bytes changed."""
    edits = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    spoilt = bytearray(content)
    for place, value in data.draw(st.lists(edits, max_size=8)):
        spoilt[place] = value
    cut = data.draw(st.none() | st.integers(least, len(content)))
    return bytes(spoilt[:cut])


# The protocol


@given(st.binary(max_size=300) | PLAIN.map(msgpack.packb))
def test_the_wire_has_one_kind_of_error(content: bytes) -> None:
    TRIED["messages unpacked"] += 1
    try:
        unpack(content)
    except ProtocolError:
        return


@sending
@given(data=st.data())
def test_nothing_that_is_sent_takes_the_server_down(policy, connection, data) -> None:
    TRIED["messages to the server"] += 1
    honest = pack(some_values(policy.manifest))
    spoilt = st.binary(max_size=200) | PLAIN.map(msgpack.packb) | st.text(max_size=20)
    if data.draw(st.booleans()):
        connection.send(damaged(data, honest))
    else:
        connection.send(data.draw(spoilt))
    connection.recv(timeout=10)
    connection.send(honest)
    assert unpack(connection.recv(timeout=10))["actions"].shape == (16, 2)


@sending
@given(data=st.data())
def test_requests_of_all_kinds_of_values_get_an_answer(policy, connection, data) -> None:
    TRIED["requests to the server"] += 1
    values = dict(some_values(policy.manifest))
    request_settings = {
        "seed": 1,
        "known": np.zeros((3, 2)),
        "committed": 1,
        "steps": None,
        "warm": 0.0,
    }
    odd = PLAIN | ARRAYS | st.integers(-2, 200) | st.floats(0, 1)
    for name in data.draw(st.lists(st.sampled_from(list(values)), max_size=2)):
        values[name] = data.draw(odd)
    for name in data.draw(st.lists(st.sampled_from(list(request_settings)), max_size=3)):
        request_settings[name] = data.draw(odd)
    connection.send(pack({**values, "pushcell": request_settings}))
    answer = connection.recv(timeout=10)
    if isinstance(answer, bytes):
        actions = unpack(answer)["actions"]
        assert actions.shape == (16, 2)
        assert np.isfinite(actions).all()


# Bundles


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (MANIFEST, *FILES):
            archive.write(folder / name, name)
    return path


def refused_or_sound(folder: Path) -> None:
    """A bundle is refused with its one kind of error, or answers as every policy does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            policy = load_policy(folder)
        except BundleError:
            return
        try:
            chunk = policy.infer(ChunkRequest(some_values(policy.manifest), seed=0))
        except PushcellError:
            return
    assert chunk.shape == (policy.manifest.action.horizon, 2)
    assert np.isfinite(chunk).all()


@loading
@given(data=st.data())
def test_any_damage_of_a_file_is_told(bundle: Path, tmp_path: Path, data) -> None:
    TRIED["damaged files"] += 1
    manifest, contents = read_bundle(bundle)
    folder = tmp_path / "damaged"
    write_bundle(folder, manifest.changed(files={}), contents)
    path = zipped(folder) if data.draw(st.booleans()) else folder
    file = path if path.is_file() else folder / data.draw(st.sampled_from([MANIFEST, *FILES]))
    file.write_bytes(damaged(data, file.read_bytes()))
    try:
        found, read = read_bundle(path)
    except BundleError:
        return
    assert read == contents
    assert found.files == manifest.files


@loading
@given(data=st.data())
def test_damaged_contents_with_honest_hashes(bundle: Path, tmp_path: Path, data) -> None:
    TRIED["damaged graphs and frames"] += 1
    manifest, contents = read_bundle(bundle)
    name = data.draw(st.sampled_from(FILES))
    # No manifest can be written of an empty file.
    spoilt = {**contents, name: damaged(data, contents[name], least=1)}
    write_bundle(tmp_path / "spoilt", manifest, spoilt)
    refused_or_sound(tmp_path / "spoilt")


NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1])
OPERATORS = [
    "Abs", "Cast", "Concat", "ConstantOfShape", "Expand", "Flatten", "Gather", "Gemm", "Identity",
    "If", "Log", "Loop", "MatMul", "Mul", "NonZero", "Range", "Reciprocal", "Reshape", "Resize",
    "Shape", "Slice", "Split", "Tile", "Unique",
]  # fmt: skip


def edited(data: st.DataObject, graph: onnx.ModelProto) -> bytes:
    """A graph that is a protobuf still, but says something else in some places."""
    pick = st.sampled_from
    for what in data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=3)):
        node = data.draw(pick(list(graph.graph.node)))
        weight = data.draw(pick(list(graph.graph.initializer)))
        value = data.draw(pick([*graph.graph.input, *graph.graph.output]))
        names = [v.name for v in graph.graph.input] + [w.name for w in graph.graph.initializer]
        if what == 0:
            node.op_type = data.draw(pick(OPERATORS))
        elif what == 1 and node.input:
            node.input[data.draw(st.integers(0, len(node.input) - 1))] = data.draw(pick(names))
        elif what == 2:
            weight.dims[:] = data.draw(st.lists(NUMBERS, max_size=4))
        elif what == 3:
            weight.data_type = data.draw(st.integers(0, 24))
        elif what == 4:
            dims = value.type.tensor_type.shape.dim
            dims[data.draw(st.integers(0, len(dims) - 1))].dim_value = data.draw(NUMBERS)
        elif what == 5:
            value.type.tensor_type.elem_type = data.draw(st.integers(0, 24))
        elif what == 6:
            weight.raw_data = data.draw(st.binary(max_size=64))
        else:
            shape = np.array(data.draw(st.lists(NUMBERS, min_size=1, max_size=3)), np.int64)
            graph.graph.initializer.append(onnx.numpy_helper.from_array(shape, "wanted"))
            added = onnx.helper.make_node(
                data.draw(pick(["ConstantOfShape", "Expand", "Tile", "Reshape"])),
                [data.draw(pick(names)), "wanted"],
                ["added"],
            )
            graph.graph.node.insert(0, added)
            node.input[0] = "added"
    return graph.SerializeToString()


@loading
@given(data=st.data())
def test_edited_graphs(bundle: Path, tmp_path: Path, data) -> None:
    TRIED["edited graphs"] += 1
    manifest, contents = read_bundle(bundle)
    name = data.draw(st.sampled_from([ENCODER, DENOISER]))
    graph = onnx.load_model_from_string(contents[name])
    write_bundle(tmp_path / "edited", manifest, {**contents, name: edited(data, graph)})
    refused_or_sound(tmp_path / "edited")


def leaves(values: object, path: tuple = ()) -> Iterator[tuple]:
    """The way to each value of a tree."""
    entries = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in entries:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))


@loading
@given(data=st.data())
def test_edited_manifests(bundle: Path, tmp_path: Path, data) -> None:
    TRIED["edited manifests"] += 1
    manifest, contents = read_bundle(bundle)
    folder = tmp_path / "edited"
    write_bundle(folder, manifest, contents)
    values = yaml.safe_load((folder / MANIFEST).read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        *path, key = data.draw(st.sampled_from(list(leaves(values))))
        holder = values
        for step in path:
            holder = holder[step]
        small = (
            st.integers(-2, 300) | st.floats(-1, 300) | st.sampled_from(["absolute", "bgr", "act"])
        )
        holder[key] = data.draw(PLAIN | small)
    (folder / MANIFEST).write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    refused_or_sound(folder)
