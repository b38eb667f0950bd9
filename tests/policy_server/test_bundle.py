"""Loading a bundle: what is sound runs, what is not is refused before it runs."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from policy_server.bundle import load_policy
from policy_server.bundle_files import read_bundle, write_bundle
from policy_server.bundle_format import DENOISER, ENCODER, PARITY, Manifest
from policy_server.bundle_sections import (
    ActionSpec,
    CellTask,
    DirectSchedule,
    FlowSchedule,
    PushTTask,
)
from policy_server.onnx_networks import RuntimeOptions
from policy_server.policy import ChunkRequest
from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import BundleError, ConfigError, PushcellError
from pushcell.shipped import POLICIES
from tests.policy_server.examples import some_manifest
from tests.policy_server.toy_bundle import I64, F, model, random_graphs, write_toy

HORIZON = 16


def some_values(manifest: Manifest, seed: int = 0) -> dict[str, np.ndarray]:
    """Raw values of an observation."""
    rng = np.random.default_rng(seed)
    values = {}
    for key, shape in manifest.observation.shapes.items():
        values[key] = rng.uniform(0.4, 0.6, shape[1:])
    for camera in manifest.observation.cameras:
        size = (manifest.observation.steps, camera.height_px, camera.width_px, 3)
        values[camera.key] = rng.integers(0, 256, size, dtype=np.uint8)
    return values


VARIANTS = {
    "diffusion": {},
    "prefix": {"max_prefix": 6},
    "flow": {"kind": "flow", "schedule": FlowSchedule(inference_steps=5)},
    "act": {"kind": "act", "schedule": DirectSchedule()},
}


@pytest.mark.parametrize("cameras", [(), ("overhead", "wrist")])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_loads_and_answers(cell: CellConfig, tmp_path: Path, variant, cameras) -> None:
    manifest = some_manifest(cell, cameras, **VARIANTS[variant])
    write_toy(tmp_path, manifest, random_graphs(manifest))
    policy = load_policy(tmp_path, cell)
    request = ChunkRequest(some_values(manifest), seed=3)
    chunk = policy.infer(request)
    assert chunk.shape == (HORIZON, 2)
    np.testing.assert_array_equal(chunk, policy.infer(request))
    other = dataclasses.replace(request, seed=4)
    assert (policy.infer(other) != chunk).any() == manifest.is_generative
    assert (chunk >= manifest.action.low).all()
    assert (chunk <= manifest.action.high).all()
    for key in manifest.observation.shapes:
        changed = {**request.values, key: some_values(manifest, 1)[key]}
        assert (policy.infer(dataclasses.replace(request, values=changed)) != chunk).any(), key


@pytest.mark.parametrize("variant", ["diffusion", "prefix", "flow", "act"])
def test_committed_actions_are_kept(cell: CellConfig, tmp_path: Path, variant) -> None:
    manifest = some_manifest(cell, **VARIANTS[variant])
    write_toy(tmp_path, manifest, random_graphs(manifest))
    policy = load_policy(tmp_path)
    known = np.linspace([0.5, 0.0], [0.6, 0.1], 10)
    free = policy.infer(ChunkRequest(some_values(manifest), seed=0))
    chunk = policy.infer(ChunkRequest(some_values(manifest), seed=0, known=known, committed=4))
    np.testing.assert_allclose(chunk[:4], known[:4], atol=1e-6)
    assert np.abs(free[:4] - known[:4]).max() > 1e-3
    assert np.abs(chunk[10:] - known[-1]).max() > 1e-3


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("variant", VARIANTS)
def test_many_at_once_are_what_each_is_alone(
    cell: CellConfig, tmp_path: Path, variant: str, batch: int | None
) -> None:
    manifest = some_manifest(cell, **VARIANTS[variant])
    policy = load_policy(write_toy(tmp_path, manifest, random_graphs(manifest, batch=batch)))
    known = np.linspace([0.5, 0.0], [0.6, 0.1], 10)
    requests = [
        ChunkRequest(some_values(manifest, 0), seed=0),
        ChunkRequest(some_values(manifest, 1), seed=1, known=known, committed=3),
        ChunkRequest({"pusher": np.zeros(3)}, seed=2),
        ChunkRequest(
            some_values(manifest, 2),
            seed=3,
            known=known,
            denoising_steps=4,
            warm_start_fraction=0.5,
        ),
    ]
    found = policy.infer_many(requests)
    assert isinstance(found.pop(2), PushcellError)
    del requests[2]
    for chunk, request in zip(found, requests, strict=True):
        np.testing.assert_allclose(chunk, policy.infer(request), atol=1e-6)


def test_relative_actions_move_with_the_pusher(cell: CellConfig, tmp_path: Path) -> None:
    action = ActionSpec(
        horizon=HORIZON, execute=8, space="relative_to_pusher", low=(-9, -9), high=(9, 9)
    )
    manifest = some_manifest(cell, action=action)
    graphs = random_graphs(manifest)
    zeroed = np.zeros_like(numpy_helper.to_array(graphs[DENOISER].graph.initializer[0]))
    graphs[DENOISER].graph.initializer[0].CopyFrom(numpy_helper.from_array(zeroed, "matrix"))
    policy = load_policy(write_toy(tmp_path, manifest, graphs))
    values = some_values(manifest)
    moved = {**values, "pusher": values["pusher"] + [0.1, -0.2, 0]}
    chunk, there = (policy.infer(ChunkRequest(v, seed=0)) for v in (values, moved))
    np.testing.assert_allclose(there, chunk + np.array([0.1, -0.2]), atol=1e-6)


# What does not fit the cell


def changed(section, **values):
    return section.model_copy(update=values)


@pytest.mark.parametrize(
    ("cameras", "change", "message"),
    [
        ((), lambda c: {"rate_hz": 200.0}, r"acts at 200.0 Hz, the cell's motion.rate_hz is 100"),
        (("wrist",), lambda c: {"rate_hz": 20.0}, r"gives 10.0 images a second.* needs 20.0"),
        ((), lambda c: {"task": PushTTask()}, "for the task pusht, not for a work cell"),
        (
            (),
            lambda c: {"task": changed(CellTask.of(c), goal=(0.6, 0.0, 0.0))},
            r"task.goal is \(0.6, 0.0, 0.0\) in the bundle, \(0.587, -0.0355, 0.0\) in the cell",
        ),
        (
            (),
            lambda c: {"task": changed(CellTask.of(c), slider="box")},
            "task.slider is box in the bundle, t in the cell",
        ),
        (
            (),
            lambda c: {
                "action": ActionSpec(
                    horizon=16, execute=8, space="absolute", low=(0, -0.36), high=(0.79, 0.35)
                )
            },
            r"actions from \(0.0, -0.36\).* guard takes \[0.33, -0.46\]",
        ),
    ],
)
def test_mismatches_name_both_values(
    cell: CellConfig, tmp_path: Path, cameras, change, message: str
) -> None:
    manifest = some_manifest(cell, cameras, **change(cell))
    write_toy(tmp_path, manifest, random_graphs(manifest))
    with pytest.raises(BundleError, match=message):
        load_policy(tmp_path, cell)
    load_policy(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xyz_m": (0.9, -0.074, 0.451)}, r"overhead: xyz_m is \(0.911, .*\(0.9, "),
        ({"fx_px": 300.0}, "overhead: fx_px is 30.8.* in the bundle, 30.0 in the cell"),
        ({"name": "other"}, "needs camera 'overhead', the cell has other, wrist"),
    ],
)
def test_another_calibration_is_refused(
    cell: CellConfig, tmp_path: Path, change: dict, message: str
) -> None:
    manifest = some_manifest(cell, ("overhead",))
    write_toy(tmp_path, manifest, random_graphs(manifest))
    load_policy(tmp_path, cell)
    cameras = (changed(cell.cameras[0], **change), cell.cameras[1])
    with pytest.raises(BundleError, match=message):
        load_policy(tmp_path, changed(cell, cameras=cameras))


@pytest.mark.parametrize("name", ["target_image", "target_state"])
def test_a_shipped_policy_drives_an_arm_of_six_joints(name: str) -> None:
    """Its cameras are on the same places of links that are called otherwise."""
    load_policy(POLICIES.find(name), load_cell("ur5e_sim"))


def test_a_camera_on_the_arms_other_link_is_refused(cell: CellConfig, tmp_path: Path) -> None:
    manifest = some_manifest(cell, ("overhead",))
    write_toy(tmp_path, manifest, random_graphs(manifest))
    cameras = (changed(cell.cameras[0], link="link_7"), cell.cameras[1])
    with pytest.raises(BundleError, match="overhead: link is base in the bundle, link_7 in the"):
        load_policy(tmp_path, changed(cell, cameras=cameras))


# What is not sound


def replaced(graph: onnx.ModelProto, node: onnx.NodeProto) -> onnx.ModelProto:
    """With the last node, which gives the embedding, replaced."""
    graph.graph.node[-1].CopyFrom(node)
    return graph


def of_another_opset(graph: onnx.ModelProto) -> onnx.ModelProto:
    graph.opset_import[0].version = 99
    return graph


def with_weight(graph: onnx.ModelProto, tensor: TensorProto) -> onnx.ModelProto:
    graph.graph.initializer.append(tensor)
    return graph


def external() -> TensorProto:
    tensor = TensorProto(name="w", data_type=F, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def endless() -> onnx.NodeProto:
    body = helper.make_graph([], "body", [], [])
    return helper.make_node("Loop", ["pusher_flat", ""], ["embedding"], body=body)


def bomb(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Shapes that are small in the file and large in the memory."""
    graph.graph.initializer.append(numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "huge"))
    graph.graph.node.insert(0, helper.make_node("ConstantOfShape", ["huge"], ["vast"]))
    return graph


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (of_another_opset, "of opset 99, allowed: 13 to 18"),
        (
            lambda g: replaced(g, helper.make_node("Evil", ["goal"], ["embedding"], domain="me")),
            "has the operator me.Evil",
        ),
        (lambda g: replaced(g, endless()), "has the operator Loop"),
        (lambda g: with_weight(g, external()), "weight w is kept in another file"),
        (
            lambda g: with_weight(g, numpy_helper.from_array(np.array([np.nan], "f4"), "w")),
            "weight w is not finite",
        ),
        (
            lambda g: with_weight(g, TensorProto(name="w", data_type=F, dims=[1 << 40, 1 << 20])),
            "w claims shape",
        ),
        (
            lambda g: with_weight(g, TensorProto(name="w", data_type=F, dims=[7])),
            "weight w cannot be read",
        ),
        (bomb, "vast claims shape"),
        (
            lambda g: replaced(g, helper.make_node("Concat", ["nothing"], ["embedding"], axis=1)),
            "not a sound ONNX graph",
        ),
        (
            lambda g: model(
                [helper.make_node("Identity", ["a"], ["embedding"])],
                {"a": (F, (1, 3))},
                {"embedding": (F, (1, 3))},
            ),
            r"has the inputs \['a'\], needed: \['goal', 'pusher', 'slider'\]",
        ),
    ],
)
def test_unsound_graphs_are_refused(cell: CellConfig, tmp_path: Path, spoil, message: str) -> None:
    manifest = some_manifest(cell)
    write_toy(tmp_path, manifest, random_graphs(manifest))
    _, files = read_bundle(tmp_path)
    graph = spoil(onnx.load_model_from_string(files[ENCODER]))
    write_bundle(tmp_path, manifest, {**files, ENCODER: graph.SerializeToString()})
    with pytest.raises(BundleError, match=message):
        load_policy(tmp_path)


def test_a_signature_of_another_type_is_refused(cell: CellConfig, tmp_path: Path) -> None:
    manifest = some_manifest(cell)
    write_toy(tmp_path, manifest, random_graphs(manifest))
    _, files = read_bundle(tmp_path)
    graph = onnx.load_model_from_string(files[DENOISER])
    graph.graph.input[1].CopyFrom(helper.make_tensor_value_info("timestep", I64, (2,)))
    write_bundle(tmp_path, manifest, {**files, DENOISER: graph.SerializeToString()})
    with pytest.raises(BundleError, match=r"timestep is int64 \(2,\), needed: int64 \(1,\)"):
        load_policy(tmp_path)


def test_parity_is_verified(cell: CellConfig, tmp_path: Path) -> None:
    manifest = some_manifest(cell)
    write_toy(tmp_path, manifest, random_graphs(manifest))
    _, files = read_bundle(tmp_path)
    other = random_graphs(manifest, seed=1)[DENOISER].SerializeToString()
    write_bundle(tmp_path, manifest, {**files, DENOISER: other})
    with pytest.raises(BundleError, match="stored frame's chunk comes out"):
        load_policy(tmp_path)


def test_a_network_that_gives_no_number_is_told(cell: CellConfig, tmp_path: Path) -> None:
    manifest = some_manifest(cell)
    graphs = random_graphs(manifest)
    embedding = graphs[ENCODER].graph.node[-1]
    embedding.output[0] = "before"
    graphs[ENCODER].graph.node.append(helper.make_node("Log", ["before"], ["embedding"]))
    policy = load_policy(write_toy(tmp_path, manifest, graphs))
    values = some_values(manifest)
    sound = ChunkRequest({**values, "goal": np.ones(3)}, seed=0)
    spoilt = ChunkRequest({**values, "goal": -np.ones(3)}, seed=0)
    chunk = policy.infer(sound)
    with pytest.raises(BundleError, match="an embedding that is not finite"):
        policy.infer(spoilt)
    first, second, third = policy.infer_many([sound, spoilt, sound])
    assert isinstance(second, BundleError)
    np.testing.assert_allclose([first, third], [chunk, chunk], atol=1e-6)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_parity_frame_runs_no_code(cell: CellConfig, tmp_path: Path) -> None:
    manifest = some_manifest(cell)
    write_toy(tmp_path, manifest, random_graphs(manifest))
    _, files = read_bundle(tmp_path)
    arrays = dict(np.load(io.BytesIO(files[PARITY])))
    for spoilt in (
        npz(**{**arrays, "noise": np.array([{}], dtype=object)}),
        npz(**{**arrays, "noise": np.zeros((1, 10**6, 2), np.float32)}),
        npz(**{**arrays, "goal": np.full((1, 3), np.nan, np.float32)}),
        npz(chunk=arrays["chunk"]),
        files[PARITY][:-30],
    ):
        write_bundle(tmp_path, manifest, {**files, PARITY: spoilt})
        with pytest.raises(BundleError, match=r"parity\.npz"):
            load_policy(tmp_path)


def test_a_provider_that_is_not_there_is_named(cell: CellConfig, tmp_path: Path) -> None:
    manifest = some_manifest(cell)
    write_toy(tmp_path, manifest, random_graphs(manifest))
    with pytest.raises(ConfigError, match="has no CUDAExecutionProvider; it has"):
        load_policy(tmp_path, options=RuntimeOptions(provider="cuda"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("pusher", np.full((2, 3), np.nan)), ("pusher", np.zeros((1, 3))), ("goal", None)],
)
def test_wrong_values_are_named(cell: CellConfig, tmp_path: Path, key: str, value) -> None:
    manifest = some_manifest(cell)
    policy = load_policy(write_toy(tmp_path, manifest, random_graphs(manifest)))
    values = {**some_values(manifest), key: value}
    if value is None:
        del values[key]
    with pytest.raises(PushcellError, match=key):
        policy.infer(ChunkRequest(values, seed=0))
