"""Old names are accepted for one release, with a warning that tells the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pushcell import old_names
from pushcell.cli import main as cli
from pushcell.launcher.packages import find_program
from pushcell.shipped import LAUNCH_FILES, ROS_PACKAGE, TRAININGS


def test_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "collects.py").write_text("def main(words): return len(words)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "dagger", ("", "collects:main"))
    assert cli.main(["lessons", "--lessons", "2", "--student", "a"]) == 4
    told = capsys.readouterr().err
    assert "pushcell: lessons is now called dagger" in told
    assert "pushcell dagger: --lessons is now called --rollouts" in told
    assert "pushcell dagger: --student is now called --policy" in told


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    for command, options in old_names.OPTIONS.items():
        for old, new in options.items():
            words = [old, "here", f"{old}=there"]
            assert old_names.renamed_options(command, words) == [new, "here", f"{new}=there"]
            assert f"pushcell {command}: {old} is now called {new}" in capsys.readouterr().err
    assert old_names.renamed_options("serve", ["--eye"]) == ["--eye"]
    assert capsys.readouterr().err == ""


def test_an_option_takes_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "echo.py").write_text(
        "heard = []\ndef main(words): heard.extend(words); return 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "export", ("", "echo:main"))
    assert cli.main(["export", "last.pt", "--eye", "eye.pt"]) == 0
    import echo  # type: ignore[import-not-found]

    assert echo.heard == ["last.pt", "--pose-estimator", "eye.pt"]
    assert "--eye is now called --pose-estimator" in capsys.readouterr().err


def test_names_of_shipped_files(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = (TRAININGS, "config/train/{}.yaml"), (LAUNCH_FILES, "launch/{}.launch.yaml")
    for kind, path in kinds:
        for old, new in old_names.SHIPPED[kind.title].items():
            for name in (old, path.format(old)):
                assert kind.find(name) == kind.find(new)
                told = f"warning: {kind.title}: {old} is now called {new}"
                assert told in capsys.readouterr().err


def test_programs_in_a_launch_file_of_a_user(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rclpy")
    for old, new in old_names.NODES.items():
        new_program = find_program(ROS_PACKAGE, new, os.environ)
        assert find_program(ROS_PACKAGE, old, os.environ) == new_program
        assert f"{old} is now called {new}" in capsys.readouterr().err


def test_keys_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    values: dict[str, Any] = {
        "observation": {"steps": 1, "slider_from": "last.pt"},
        "policy": {"kind": "diffusion", "even_actions": True, "network": {"kind": "planar"}},
    }
    expected = {
        "observation": {"steps": 1, "pose_from": "last.pt"},
        "policy": {
            "kind": "diffusion",
            "per_step_loss_weights": True,
            "network": {"kind": "object_frame"},
        },
    }
    assert old_names.renamed_training(values, "my.yaml") == expected
    told = capsys.readouterr().err
    assert "my.yaml: observation.slider_from is now called observation.pose_from" in told
    assert "policy.even_actions is now called policy.per_step_loss_weights" in told
    assert "policy.network.kind: planar is now called object_frame" in told
    assert old_names.renamed_training(expected, "my.yaml") == expected
    assert old_names.renamed_training(values, "a checkpoint", warns=False) == expected
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("values", [None, 3, [], {"policy": None}, {"observation": [1]}])
def test_what_is_no_training_is_left_as_it_is(values: Any) -> None:
    assert old_names.renamed_training(values, "my.yaml") == values


def test_the_new_key_counts_where_both_are_given() -> None:
    both = {"policy": {"arm": 1.0, "lever_arm": 2.0}}
    assert old_names.renamed_training(both, "my.yaml") == {"policy": {"lever_arm": 2.0}}
