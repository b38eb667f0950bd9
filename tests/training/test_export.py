"""``pushcell export``: the bundle does what the checkpoint does, and the run time takes it."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml

from policy_server.bundle import load_policy
from policy_server.bundle_files import read_manifest, write_manifest
from policy_server.policy import ChunkRequest
from pushcell.cameras.calibrated import active_sha256
from pushcell.cli import main as cli
from pushcell.config.cell import load_cell
from pushcell.errors import TrainingError
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.export import export
from pushcell.training.manifest import manifest_of
from tests.calibration.calibrated_cell import write_calibrated_cell
from tests.training import examples
from tests.training.test_policies import POLICIES

STEPS = {"steps": 3}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a small policy from poses."""
    folder = tmp_path_factory.mktemp("trained")
    examples.packed(folder / "walks.parquet")
    return _train(folder, "run", examples.config_values(folder))


def _state_request(manifest, slider):
    values = {
        "pusher": np.tile([0.5, 0.1, 0.0], (manifest.observation.steps, 1)),
        "slider": np.tile(slider, (manifest.observation.steps, 1)),
    }
    return ChunkRequest({key: values[key] for key in manifest.observation.keys}, seed=3)


@pytest.mark.parametrize("name", ["prefix", "v, unet", "sample, transformer", "act", "nearest"])
def test_bundles_of_every_kind(tmp_path, name, capsys):
    examples.packed(tmp_path / "walks.parquet")
    values = examples.config_values(tmp_path, training=STEPS)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({**values, "policy": POLICIES[name]}))
    assert cli.main(["train", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    out, checkpoint = tmp_path / "bundle", tmp_path / "run" / "last.pt"
    assert cli.main(["export", str(checkpoint), "--out", str(out), "--json", "-"]) == 0
    on_progress = json.loads(capsys.readouterr().out)
    assert on_progress["parity_frames"] == 32
    assert on_progress["parity_max_abs"] < 1e-4
    policy = load_policy(out)
    manifest = policy.manifest
    assert {name: record.sha256 for name, record in manifest.files.items()} == on_progress["files"]
    assert manifest.training.steps == 3
    assert manifest.training.configuration["seed"] == 0
    assert manifest.training.configuration["data"]["sets"][0]["path"] == "walks.parquet"
    written = b"".join(path.read_bytes() for path in out.iterdir())
    assert str(tmp_path).encode() not in written
    assert b".py" not in written
    chunk = policy.infer(_state_request(manifest, [0.5, 0.0, 0.4]))
    assert chunk.shape == (8, 2)
    other = _state_request(manifest, [0.6, 0.0, -0.9])
    assert not np.array_equal(chunk, policy.infer(other))
    together = policy.infer_many([_state_request(manifest, [0.5, 0.0, 0.4]), other])
    np.testing.assert_allclose(together, [chunk, policy.infer(other)], atol=1e-5)
    assert cli.main(["export", str(checkpoint), "--out", str(out)]) == 2


def _train(folder, name, values):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**values, "training": {**values["training"], **STEPS}}))
    assert cli.main(["train", str(path), "--out", str(folder / name)]) == 0
    return folder / name / "last.pt"


VISION = {"cameras": ["overhead"], "image_px": [16, 16], "crop_px": [16, 16], "width": 8}


def test_images_in_two_stages(tmp_path, capsys):
    """A pose estimator learned from true poses, then a policy on its estimates; one bundle."""
    examples.packed(tmp_path / "walks.parquet", cameras=("overhead",))
    values = examples.config_values(tmp_path)
    pose_estimator = _train(
        tmp_path,
        "pose_estimator",
        {
            **values,
            "observation": {"steps": 1, "vision": VISION},
            "policy": {"kind": "pose", "hidden": 16, "corners": examples.CORNERS},
        },
    )
    assert cli.main(["export", str(pose_estimator), "--out", str(tmp_path / "no")]) == 2
    assert "is a pose estimator; name it as observation.pose_from" in capsys.readouterr().err
    board = _train(tmp_path, "board", {**values, "task": "pusht"})
    words = [
        "export",
        str(board),
        "--pose-estimator",
        str(pose_estimator),
        "--out",
        str(tmp_path / "no"),
    ]
    assert cli.main(words) == 2
    assert "is a pose estimator for the task cell, needed: pusht" in capsys.readouterr().err
    seen = {**values["observation"], "pose_from": str(pose_estimator)}
    policy = _train(tmp_path, "policy", {**values, "observation": seen})
    _check_image_bundle(policy, tmp_path / "bundle")
    examples.packed(tmp_path / "blind.parquet")
    data = {**values["data"], "sets": [{"name": "walks", "path": str(tmp_path / "blind.parquet")}]}
    policy = _train(tmp_path, "blind", {**values, "data": data})
    _check_image_bundle(policy, tmp_path / "blind_bundle", pose_estimator)
    assert read_manifest(tmp_path / "blind_bundle").training.pose_estimator.steps == 3
    _check_bundle_with_pose_estimator(policy, pose_estimator, tmp_path, capsys)


def _check_bundle_with_pose_estimator(policy, pose_estimator, folder, capsys):
    """An exported policy from poses gets the same estimator, and does what its checkpoint does."""
    export(policy, folder / "poses", 8, "fp32")
    _check_image_bundle(folder / "poses", folder / "joined", pose_estimator)
    chunks = []
    for bundle in ("blind_bundle", "joined"):
        runtime = load_policy(folder / bundle)
        images = np.random.default_rng(1).integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)
        frame = {"pusher": np.full((2, 3), 0.5), "overhead_image": images}
        chunks.append(runtime.chunk(runtime.prepare(frame), runtime.noise(3)))
    np.testing.assert_allclose(*chunks, atol=1e-4)
    ours, theirs = (read_manifest(folder / name) for name in ("joined", "blind_bundle"))
    assert ours.training == theirs.training
    assert ours.observation == theirs.observation
    shutil.copytree(folder / "poses", folder / "elsewhere")
    manifest = read_manifest(folder / "poses")
    write_manifest(
        folder / "elsewhere",
        manifest.changed(task=manifest.task.model_copy(update={"goal": (0.6, 0.0, 0.0)})),
    )
    options = ["--pose-estimator", str(pose_estimator), "--out", str(folder / "no")]
    for bundle, words, reason in (
        (folder / "joined", [], "takes no slider's pose"),
        (folder / "poses", ["--precision", "int8"], "the weights of"),
        (folder / "elsewhere", [], "is for the cell task"),
        ("pusht_state", [], "is a pose estimator for the task cell, needed: pusht"),
    ):
        assert cli.main(["export", str(bundle), *options, *words]) == 2, bundle
        assert reason in capsys.readouterr().err
    assert cli.main(["export", "target_state", "--out", str(folder / "no")]) == 2
    assert "target_state is a bundle already" in capsys.readouterr().err
    assert not (folder / "no").exists()


def test_images_end_to_end(tmp_path):
    examples.packed(tmp_path / "walks.parquet", cameras=("overhead",))
    values = examples.config_values(tmp_path)
    vision = {**VISION, "crop_px": [12, 12], "colour_jitter": 0.1}
    observation = {"features": ["pusher"], "vision": vision}
    cell = write_calibrated_cell(tmp_path)
    values = {**values, "observation": observation, "policy": POLICIES["flow"], "cell": str(cell)}
    _check_image_bundle(_train(tmp_path, "policy", values), tmp_path / "bundle")
    recorded = read_manifest(tmp_path / "bundle").training.calibration_sha256
    assert recorded == active_sha256(load_cell(cell)) is not None


def _check_image_bundle(checkpoint, out, pose_estimator=None):
    manifest = export(checkpoint, out, 8, "fp32", pose_estimator)
    assert manifest.parity.max_abs < 1e-4
    assert manifest.calibration_sha256 is not None
    assert manifest.observation.keys == ("pusher",)
    policy, pusher = load_policy(out), np.full((2, 3), 0.5)
    images = np.random.default_rng(0).integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)
    chunks = [
        policy.chunk(policy.prepare({"pusher": pusher, "overhead_image": shown}), policy.noise(3))
        for shown in (images, 255 - images)
    ]
    assert not np.array_equal(*chunks)


def test_a_graph_that_differs_is_not_written(checkpoint, tmp_path, monkeypatch):
    def other(*arguments):
        manifest = manifest_of(*arguments)
        return manifest.changed(schedule={**manifest.schedule.model_dump(), "inference_steps": 5})

    monkeypatch.setattr("pushcell.training.export.manifest_of", other)
    with pytest.raises(TrainingError, match="ONNX Runtime's chunks are up to"):
        export(checkpoint, tmp_path / "bundle", 4, "fp32")
    assert not (tmp_path / "bundle").exists()


def test_fewer_bits(checkpoint, tmp_path):
    sizes, chunks = {}, []
    for precision in ("fp32", "fp16", "int8"):
        export(checkpoint, tmp_path / precision, 4, precision)
        load_policy(tmp_path / precision)
        manifest = read_manifest(tmp_path / precision)
        sizes[precision] = manifest.files["denoiser.onnx"].size
        chunks.append(np.load(tmp_path / precision / "parity.npz")["chunk"])
    assert all(np.array_equal(chunk, chunks[0]) for chunk in chunks), "what PyTorch makes"
    assert sizes["int8"] < sizes["fp16"] < sizes["fp32"]


def test_weights_that_are_not_finite_are_refused(checkpoint, tmp_path, capsys):
    values = torch.load(checkpoint, weights_only=True)
    next(value for key, value in values["average"].items() if "outlet" in key).fill_(torch.nan)
    broken = tmp_path / "broken.pt"
    torch.save(values, broken)
    assert Checkpoint.load(broken).step == 3
    assert cli.main(["export", str(broken), "--out", str(tmp_path / "bundle")]) == 2
    assert "denoiser.onnx" in capsys.readouterr().err
