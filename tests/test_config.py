import copy
import re

import pytest
import yaml

from pushcell.config import CellConfig, cell_from_dict, load_cell
from pushcell.errors import ConfigError
from tests.conftest import SIM_CELL


@pytest.fixture
def values() -> dict:
    return yaml.safe_load(SIM_CELL.read_text())


def put(values: dict, path: str, value: object) -> dict:
    changed = copy.deepcopy(values)
    *parents, last = path.split(".")
    section = changed
    for key in parents:
        section = section[int(key) if key.isdigit() else key]
    section[int(last) if last.isdigit() else last] = value
    return changed


def leaves(values: object, path: str = "") -> list[str]:
    if isinstance(values, dict):
        return [leaf for key, sub in values.items() for leaf in leaves(sub, f"{path}.{key}")]
    return [path[1:]]


def test_the_default_cell_is_complete(values):
    cell = cell_from_dict(values, "here")
    assert CellConfig.model_validate(cell.model_dump()).model_dump() == cell.model_dump()


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("motion.policy.speed_m_s", float("nan"), "finite"),
        ("motion.policy.speed_m_s", float("inf"), "finite"),
        ("motion.policy.speed_m_s", -0.1, "greater than 0"),
        ("motion.policy.speed_m_s", "fast", "valid number"),
        ("motion.speed", 1.0, "unknown key"),
        ("task.slider", "teapot", "'t', 'triangle'"),
        ("task.goal", [2.0, 0.0, 0.0], "inside workspace.corners_m"),
        ("task.pusher_home_m", [0.301, 0.0], "inside workspace.corners_m"),
        ("workspace.corners_m", [[0.3, -0.3], [1.2, -0.3], [0.5, 0.3]], "on the table"),
        ("workspace.corners_m", [[0.3, 0], [0.7, 0.3], [0.5, 0.1], [0.7, -0.3]], "not convex"),
        ("cameras.1.name", "overhead", "different name"),
        ("cameras.0.rate_hz", 0, "greater than 0"),
        ("arm.link.lcm.url", "udpm://239.255.76.67:7667?ttl=1", "ttl=0"),
        ("arm.nominal_joints_rad", [0.0, 0.0], "missing"),
    ],
)
def test_a_bad_value_names_file_key_value_and_what_is_allowed(values, key, value, allowed):
    with pytest.raises(ConfigError) as caught:
        cell_from_dict(put(values, key, value), "my.yaml")
    message = str(caught.value)
    assert "my.yaml" in message
    assert key.split(".")[-1] in message or key.split(".")[0] in message
    assert allowed in message


def test_every_key_is_required(values):
    for path in leaves(values):
        *parents, last = path.split(".")
        incomplete = copy.deepcopy(values)
        section = incomplete
        for key in parents:
            section = section[key]
        del section[last]
        with pytest.raises(ConfigError, match=rf"{re.escape(path)}: missing key"):
            cell_from_dict(incomplete, "here")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read"):
        load_cell(tmp_path / "gone.yaml")


@pytest.mark.parametrize("text", ["arm: [", "arm: 1\narm: 2\n", "\x00"])
def test_a_file_that_is_not_yaml(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_cell(path)


def test_an_unknown_camera_names_the_known_ones(cell):
    with pytest.raises(ConfigError, match="overhead, wrist"):
        cell.camera("underwater")
