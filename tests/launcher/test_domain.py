"""DDS domains and their locks."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from pushcell.errors import LaunchError
from pushcell.launcher.domain import SEARCHED_DOMAINS, held_domain


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


def test_free_domain_is_one_without_any_cell(tmp_path: Path) -> None:
    with held_domain({"ROS_DOMAIN_ID": "0"}, tmp_path, "left"):
        for namespace in ("", "left", "right"):
            with held_domain({}, tmp_path, namespace) as domain:
                assert domain.number == 2
    with held_domain({}, tmp_path, "left") as domain:
        assert domain.number == 0
