"""Names for what comes with pushcell, and paths beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pushcell.config.cell import load_cell
from pushcell.errors import BundleError
from pushcell.shipped import CELLS, LAUNCH_FILES, POLICIES, STUDIES, TRAININGS, Shipped
from pushcell.training.config import load_train_config
from tests.conftest import ROOT

KINDS = pytest.mark.parametrize(
    "kind", [CELLS, TRAININGS, STUDIES, LAUNCH_FILES, POLICIES], ids=lambda kind: kind.title
)


@pytest.fixture(autouse=True)
def _nothing_sourced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The share folder of a ROS workspace that is sourced; it holds nothing yet."""
    marker = tmp_path / "install/share/ament_index/resource_index/packages/pushcell_ros"
    marker.parent.mkdir(parents=True)
    marker.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'install'}")
    return tmp_path / "install/share/pushcell_ros"


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        (CELLS, "sim", "config/cell.sim.yaml"),
        (CELLS, "cell.sim.yaml", "config/cell.sim.yaml"),
        (TRAININGS, "target_state", "config/train/target_state.yaml"),
        (STUDIES, "sizes", "config/study/sizes.yaml"),
        (LAUNCH_FILES, "rollout", "launch/rollout.launch.yaml"),
        (LAUNCH_FILES, "rollout.launch.yaml", "launch/rollout.launch.yaml"),
        (POLICIES, "target_image", "bundles/target_image"),
    ],
)
def test_a_name_is_found_from_everywhere(
    kind: Shipped, name: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert kind.find(name) == ROOT / path


@KINDS
def test_every_file_of_the_repository_has_a_name(kind: Shipped) -> None:
    assert sorted(kind.names().values()) == sorted(ROOT.glob(kind.pattern))


@KINDS
def test_a_path_stands_for_itself(kind: Shipped, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    if kind.marker:
        path.mkdir()
    (path / kind.marker).touch()
    assert kind.find(path) == path
    assert kind.find(str(path)) == path


@KINDS
def test_what_is_not_there_is_refused_with_what_there_is(kind: Shipped) -> None:
    for missing in ("", "nothing", "nowhere/nothing"):
        with pytest.raises(kind.error, match=rf"there is no {kind.title} '{missing}'") as caught:
            kind.find(missing)
        assert ", ".join(sorted(kind.names())) in str(caught.value)


def test_a_folder_of_the_same_name_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sim", "target_state"):
        Path(name).mkdir()
    assert CELLS.find("sim") == ROOT / "config/cell.sim.yaml"
    assert POLICIES.find("target_state") == ROOT / "bundles/target_state"
    Path("target_state/bundle.yaml").touch()
    assert POLICIES.find("target_state") == Path("target_state")
    Path("other").mkdir()
    assert POLICIES.find("other") == Path("other"), "its reader says what it lacks"


def test_a_sourced_workspace_comes_first(workspace: Path) -> None:
    (workspace / "config").mkdir(parents=True)
    for name in ("sim", "ours"):
        (workspace / f"config/cell.{name}.yaml").touch()
    assert CELLS.find("sim") == workspace / "config/cell.sim.yaml"
    assert sorted(CELLS.names()) == ["iiwa", "ours", "ros2_control", "sim", "ur5e_sim"]


def test_a_folder_of_links_stands_for_the_folder_of_its_files(workspace: Path) -> None:
    source, links = ROOT / "bundles/target_state", workspace / "bundles/linked"
    links.mkdir(parents=True)
    for path in source.iterdir():
        (links / path.name).symlink_to(path)
    assert POLICIES.find("linked") == source


def test_readers_take_names() -> None:
    assert load_cell("iiwa").simulation is None
    assert load_train_config(Path("target_state")).cell == Path("sim")


def test_a_name_that_is_no_bundle() -> None:
    from policy_server.bundle import load_policy

    with pytest.raises(BundleError, match=re.escape("no policy 'target_imag'; known by name are")):
        load_policy("target_imag")


def test_what_is_named_wrongly_ends_a_command_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    from pushcell.cli import main as cli

    assert cli.main(["evaluate", "target", "--world", "target"]) == 2
    assert "known by name are pusht_image" in capsys.readouterr().err
    assert cli.main(["launch", "roll"]) == 2
    assert "known by name are arm, " in capsys.readouterr().err
