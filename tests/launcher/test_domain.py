"""DDS domains and their locks."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from pushcell.errors import LaunchError
from pushcell.launcher.domain import (
    SEARCHED_DOMAINS,
    Role,
    default_lock_folder,
    held_domain,
    hold_role,
)


def test_each_holder_has_its_own_until_none_is_free(tmp_path: Path) -> None:
    with ExitStack() as stack:
        numbers = [stack.enter_context(held_domain({}, tmp_path)).number for _ in SEARCHED_DOMAINS]
        assert numbers == list(SEARCHED_DOMAINS)
        with (
            pytest.raises(LaunchError, match="no DDS domain is free"),
            held_domain({"ROS_DOMAIN_ID": ""}, tmp_path),
        ):
            pass
    with held_domain({}, tmp_path) as domain:
        assert domain.number == 0


def test_named_domain(tmp_path: Path) -> None:
    environment = {"ROS_DOMAIN_ID": "0"}
    with held_domain(environment, tmp_path), held_domain({}, tmp_path) as other:
        assert other.number == 2, "domain 1 has the port of LCM's that drivers of real arms use"
        with (
            pytest.raises(LaunchError, match="DDS domain 0 is taken by another pushcell run"),
            held_domain(environment, tmp_path),
        ):
            pass


@pytest.mark.parametrize("asked", ["-1", "233", "one", "1.0"])
def test_number_that_is_none(tmp_path: Path, asked: str) -> None:
    with (
        pytest.raises(LaunchError, match="it must be a number from 0 to 232"),
        held_domain({"ROS_DOMAIN_ID": asked}, tmp_path),
    ):
        pass


def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LaunchError, match="set TMPDIR"), held_domain({}, file / "locks"):
        pass


@pytest.mark.parametrize("role", list(Role))
def test_a_domain_where_a_node_runs_is_taken_and_has_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    """Nodes that `ros2 launch` started hold no domain."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    held = hold_role(role, "/")
    with pytest.raises(
        LaunchError, match=f"domain 0 already has {role.value} .process {os.getpid()}"
    ):
        hold_role(role, "/")
    with (
        pytest.raises(LaunchError, match="DDS domain 0 is taken by another pushcell run"),
        held_domain({"ROS_DOMAIN_ID": "0"}, default_lock_folder()),
    ):
        pass
    with held_domain({}, default_lock_folder()) as domain:
        assert domain.number == 2
    monkeypatch.setenv("ROS_DOMAIN_ID", "2")
    os.close(hold_role(role, "/"))
    os.close(held)
    with held_domain({}, default_lock_folder()) as domain:
        assert domain.number == 0


def test_cells_of_different_namespaces_share_a_domain(tmp_path: Path) -> None:
    environment = {"ROS_DOMAIN_ID": "5"}
    with (
        held_domain(environment, tmp_path) as plain,
        held_domain(environment, tmp_path, "left") as left,
        held_domain(environment, tmp_path, "hall/right") as right,
    ):
        assert {plain.number, left.number, right.number} == {5}
        with (
            pytest.raises(LaunchError, match="namespace 'left' of DDS domain 5 is taken"),
            held_domain(environment, tmp_path, "/left"),
        ):
            pass


@pytest.mark.parametrize("role", list(Role))
def test_nodes_of_different_namespaces_share_a_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    held = [hold_role(role, namespace) for namespace in ("/", "/left", "/hall/left")]
    with pytest.raises(LaunchError, match=f"namespace 'left' of .* already has {role.value}"):
        hold_role(role, "/left")
    environment = {"ROS_DOMAIN_ID": "0"}
    with (
        pytest.raises(LaunchError, match="namespace 'left' of DDS domain 0 is taken"),
        held_domain(environment, default_lock_folder(), "left"),
    ):
        pass
    with held_domain(environment, default_lock_folder(), "right"):
        os.close(hold_role(role, "/right"))
    os.close(held.pop(0))
    with held_domain({}, default_lock_folder()) as domain:
        assert domain.number == 2, "where nodes of any namespace run is no free domain"
    for lock in held:
        os.close(lock)


def test_free_domain_is_one_without_any_cell(tmp_path: Path) -> None:
    with held_domain({"ROS_DOMAIN_ID": "0"}, tmp_path, "left"):
        for namespace in ("", "left", "right"):
            with held_domain({}, tmp_path, namespace) as domain:
                assert domain.number == 2
    with held_domain({}, tmp_path, "left") as domain:
        assert domain.number == 0
