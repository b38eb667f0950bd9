"""``pushcell train``: kills, resumption, bad input."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from pushcell.cli import main as cli
from pushcell.recording.steps import Steps
from pushcell.shipped import TRAININGS
from pushcell.training import trainer
from pushcell.training.checkpoint import VERSION, Checkpoint
from pushcell.training.config import load_train_config
from tests.training import examples


def _write(folder, **sections):
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(examples.config_values(folder, **sections)))
    return path


def _losses(folder):
    with (folder / "losses.csv").open() as file:
        return [
            (row["step"], row["loss"], row.get("validation_loss")) for row in csv.DictReader(file)
        ]


@pytest.fixture
def walks(tmp_path):
    examples.packed(tmp_path / "walks.parquet")
    return tmp_path


def test_a_killed_run_goes_on_as_if_nothing_had_been(walks):
    network = {"kind": "mlp", "width": 64, "dropout": 0.2}
    path = _write(walks, training={"steps": 100}, policy={"network": network})
    whole, killed = walks / "whole", walks / "killed"
    assert cli.main(["train", str(path), "--out", str(whole)]) == 0
    command = [sys.executable, "-m", "pushcell.cli", "train", str(path), "--out", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (killed / "last.pt").exists():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert Checkpoint.load(killed / "last.pt").step < 100, "it was to be killed on the way"
    assert cli.main(["train", str(path), "--out", str(killed), "--resume"]) == 0
    assert len(_losses(whole)) == 100
    assert _losses(killed) == _losses(whole)
    ends = [Checkpoint.load(folder / "last.pt") for folder in (whole, killed)]
    for part in ("policy", "average"):
        one, other = (getattr(end, part) for end in ends)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_in_half_precision_goes_on_with_its_scale(walks, monkeypatch):
    """How losses are scaled belongs to a run, as weights do. (Fabric keeps fp16 from CPUs.)"""

    def halved(accelerator, devices, precision):
        return Fabric(
            accelerator=accelerator, devices=devices, plugins=MixedPrecision(precision, accelerator)
        )

    monkeypatch.setattr(trainer, "Fabric", halved)
    path = _write(walks, device={"precision": "16-mixed"}, log={"keep_every": 10})
    whole, half = walks / "whole", walks / "half"
    assert cli.main(["train", str(path), "--out", str(whole)]) == 0
    half.mkdir()
    shutil.copy(whole / "step_0000010.pt", half / "last.pt")
    assert cli.main(["train", str(path), "--out", str(half), "--resume"]) == 0
    assert _losses(half) == _losses(whole)[10:]
    ends = [Checkpoint.load(folder / "last.pt").precision for folder in (whole, half)]
    assert ends[0] == ends[1] != Checkpoint.load(whole / "step_0000010.pt").precision


def test_a_run_that_diverges_keeps_what_was_good(walks, capsys, monkeypatch):
    monkeypatch.setattr(trainer, "learning_rate", lambda _, step: 1e-3 if step < 7 else 1e38)
    log = {"log_every": 100, "validate_every": 100, "checkpoint_every": 5}
    path, out = _write(walks, training={"steps": 100}, log=log), walks / "out"
    assert cli.main(["train", str(path), "--out", str(out)]) == 2
    assert "a weight is not finite at step 10" in capsys.readouterr().err
    assert Checkpoint.load(out / "last.pt").step == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence(walks, capsys):
    words = ["train", str(_write(walks)), "--out", str(walks / "out"), "--device"]
    assert cli.main([*words, "cuda"]) == 2
    assert "finds no GPU here" in capsys.readouterr().err
    assert cli.main([*words, "cpu"]) == 0


def test_a_log_that_cannot_be_written(walks, capsys):
    path, out = _write(walks), walks / "out"
    out.mkdir()
    (out / "losses.csv.partial").symlink_to("/dev/full")
    assert cli.main(["train", str(path), "--out", str(out)]) == 2
    assert "losses.csv cannot be written (No space left" in capsys.readouterr().err


@pytest.mark.parametrize("devices", [1, 2])
def test_an_interrupt_keeps_the_step(walks, devices):
    """Of two processes one is told, and both end."""
    log = {"checkpoint_every": 100_000}
    path = _write(walks, training={"steps": 100_000}, log=log, device={"devices": devices})
    out = walks / "out"
    command = [sys.executable, "-m", "pushcell.cli", "train", str(path), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not (out / "losses.csv").exists() or len(_losses(out)) < 12:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert Checkpoint.load(out / "last.pt").step == int(_losses(out)[-1][0])


def test_it_learns_and_tells(walks, capsys):
    path = _write(walks, training={"steps": 200}, log={"log_every": 50, "validate_every": 100})
    assert cli.main(["train", str(path), "--out", str(walks / "out"), "--json", "-"]) == 0
    on_progress = json.loads(capsys.readouterr().out)
    assert on_progress["steps"] == 200
    assert on_progress["loss"] < 0.6 * float(_losses(walks / "out")[0][1])
    assert set(on_progress["validation"]) == {"validation_loss", "validation_action_error"}
    checkpoint = Checkpoint.load(walks / "out" / "last.pt")
    assert checkpoint.config["training"]["steps"] == 200
    assert checkpoint.episodes == {"walks": 6}
    assert cli.main(["train", str(path), "--out", str(walks / "out")]) == 2
    assert "go on with --resume" in capsys.readouterr().err


def test_another_configuration_does_not_go_on(walks, capsys):
    path, out = _write(walks), str(walks / "out")
    assert cli.main(["train", str(path), "--out", out, "--set", "training.steps=5"]) == 0
    words = ["train", str(path), "--out", out, "--resume", "--set"]
    assert cli.main([*words, "training.steps=5", "seed=4"]) == 2
    assert "was trained with seed: 0, the configuration says 4" in capsys.readouterr().err
    assert cli.main([*words, "training.steps=5", "log.log_every=2"]) == 0
    assert Checkpoint.load(walks / "out" / "last.pt").step == 5, "it was done"


def test_other_data_does_not_go_on(walks, capsys):
    path, out = _write(walks, training={"steps": 5}), str(walks / "out")
    assert cli.main(["train", str(path), "--out", out]) == 0
    examples.packed(walks / "walks.parquet", episodes=12)
    assert cli.main(["train", str(path), "--out", out, "--resume"]) == 2
    assert "was trained on episodes {'walks': 6}, now there are {'walks': 9}" in (
        capsys.readouterr().err
    )


def test_two_processes_train_one_policy(walks):
    path, out = _write(walks, device={"devices": 2}), walks / "out"
    command = [sys.executable, "-m", "pushcell.cli", "train", str(path), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert len(_losses(out)) == 20
    assert Checkpoint.load(out / "last.pt").step == 20


def test_nothing_of_simulator_or_ros_is_needed(walks):
    """A bare GPU machine: torch, numpy, opencv and a few small packages."""
    path = _write(walks, training={"steps": 2})
    script = (
        "import sys\n"
        "class Bare:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'pydrake', 'rclpy', 'zarr', 'mcap', 'ruckig',"
        " 'rosbags', 'ray'}:\n"
        "            raise ModuleNotFoundError(f'{name} is not there', name=name)\n"
        "sys.meta_path.insert(0, Bare())\n"
        "from pushcell.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["train", str(path), "--out", str(walks / "out")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_bad_configurations(walks, capsys):
    path, out = _write(walks), str(walks / "out")
    for change, problem in {
        "training.speed=3": "training.speed = 3: unknown key: it is misspelt",
        "observation.vision={cameras: [a], image_px: [20, 20], crop_px: [20, 20], "
        "network: hourglass}": "network hourglass needs multiples of 8, not crop_px (20, 20)",
        "data.normaliser=ghosts": "there is no data set 'ghosts' among ['walks']",
        "action.execute=9": "execute 9 is more than the horizon 8",
        "policy.network.kind=forest": "policy.network.kind = 'forest': allowed: 'mlp', 'unet',",
        "policy.max_prefix=8": "max_prefix must be below the horizon 8",
        "policy.inference_steps=51": "inference_steps 51 is more than train_steps 50",
        "policy.network={kind: unet, widths: [12, 24]}": "multiples of groups 8",
        "policy.network={kind: unet, kernel: 4}": "kernel 4 must be odd",
        "policy.network={kind: unet, step_features: 7}": "multiple of 2",
        "policy.network={kind: transformer, width: 30}": "width 30 must be a multiple of heads 4",
        "policy={kind: act, width: 30}": "width 30 must be a multiple of heads 4",
        "policy={kind: nearest, most_keys: 5}": "neighbours 10 is more than most_keys 5",
        "data.mixture={kind: fixed, target: walks, alpha: 0.5}": "to other sets than 'walks'",
        "data.sets.first.path=x": "--set data.sets.first.path=x: there is no section",
        "data.sets.3.path=x": "there is no section data.sets.3",
        "data.sets=[{": "'[{': is not YAML",
        "observation.keypoints=[]": "keypoints and features of keypoints go together",
        "data.sets.0.path=nowhere": "data set 'walks': nowhere is not there",
        "data.rate_hz=5": "episode_000000 has steps at 10.0 Hz, data.rate_hz is 5.0",
        "action.horizon=64": "data set 'walks' gives no window: none of its episodes has 61 steps",
    }.items():
        assert cli.main(["train", str(path), "--out", out, "--set", change]) == 2
        assert problem in capsys.readouterr().err, change


def test_data_that_cannot_be_learned_from(walks, capsys, monkeypatch):
    examples.packed(walks / "walks.parquet", cameras=("overhead",))
    vision = {"cameras": ["wrist"], "image_px": [16, 16], "crop_px": [16, 16]}
    path = _write(walks, observation={"vision": vision})
    words = ["train", str(path), "--out", str(walks / "out")]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "'walks'" in error
    assert "walks.parquet" in error
    assert "episode_000000 lacks the images of camera 'wrist'; it has overhead" in error
    assert not list((walks / "cache").iterdir()), "what was begun is not left behind"
    monkeypatch.setattr(Steps, "__post_init__", lambda self: None)
    broken = examples.steps(3)
    broken.slider[7, 1] = np.nan
    examples.write_packed([examples.Demonstration("bad", broken)], walks / "walks.parquet")
    monkeypatch.undo()
    assert cli.main(["train", str(_write(walks)), "--out", str(walks / "out")]) == 2
    assert "episode 0: slider must be finite" in capsys.readouterr().err


def test_actions_that_cannot_be_weighed(walks, capsys):
    late = [examples.steps(seed) for seed in range(4)]
    for steps in late:  # told to be where it is: the first action of each chunk is zero
        steps.action[:] = steps.pusher[:, :2]
    examples.write_packed(
        [examples.Demonstration("late", s) for s in late], walks / "walks.parquet"
    )
    policy = {"prediction": "sample", "per_step_loss_weights": True}
    path = _write(walks, policy=policy, action={"reach": 0.3})
    assert cli.main(["train", str(path), "--out", str(walks / "out")]) == 2
    assert "action 0 of all chunks of data set 'walks' is the same" in capsys.readouterr().err


def test_actions_out_of_reach(walks, capsys):
    path = _write(walks, action={"reach": 0.02})
    assert cli.main(["train", str(path), "--out", str(walks / "out")]) == 2
    error = capsys.readouterr().err
    assert "% of the actions of data set 'walks' are beyond action.reach 0.02" in error


def test_a_cache_that_cannot_be_written(walks, capsys):
    (walks / "cache").write_text("in the way")
    assert cli.main(["train", str(_write(walks)), "--out", str(walks / "out")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_checkpoints_that_are_none(walks, capsys):
    path, out = _write(walks), walks / "out"
    out.mkdir()
    words = ["train", str(path), "--out", str(out), "--resume"]
    assert cli.main(words) == 2
    assert "there is no checkpoint" in capsys.readouterr().err
    for content in (b"PK nonsense", b""):
        (out / "last.pt").write_bytes(content)
        assert cli.main(words) == 2
        assert "is not a checkpoint, or is damaged" in capsys.readouterr().err
    torch.save({"version": VERSION, "step": 3}, out / "last.pt")
    assert cli.main(words) == 2
    assert "is not a checkpoint, or is damaged" in capsys.readouterr().err
    torch.save({"version": 99}, out / "last.pt")
    assert cli.main(words) == 2
    assert f"is a checkpoint of version 99, this program reads {VERSION}" in capsys.readouterr().err


def test_weights_of_other_networks_are_one_sentence(walks, capsys):
    out = walks / "out"
    assert cli.main(["train", str(_write(walks)), "--out", str(out)]) == 0
    values = torch.load(out / "last.pt", weights_only=True)
    values["average"].popitem()
    torch.save(values, out / "last.pt")
    assert cli.main(["export", str(out / "last.pt"), "--out", str(walks / "bundle")]) == 2
    assert "belong to networks of another version" in capsys.readouterr().err


def test_old_names_of_keys_take_effect(tmp_path, capsys):
    text = TRAININGS.find("target_state").read_text()
    old = tmp_path / "old.yaml"
    old.write_text(
        text.replace("per_step_loss_weights:", "even_actions:").replace("object_frame", "planar")
    )
    shipped = load_train_config("target_state")
    assert load_train_config(old) == shipped
    assert "policy.even_actions is now called policy.per_step_loss_weights" in (
        capsys.readouterr().err
    )
    changed = load_train_config("target_state", ("policy.even_actions=false",))
    assert not changed.policy.per_step_loss_weights
    assert "--set policy.even_actions=false" in capsys.readouterr().err
    assert shipped.policy.per_step_loss_weights
