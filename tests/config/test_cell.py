import copy
import re

import pytest
import yaml

from pushcell.config.cell import CellConfig, cell_from_dict, load_cell
from pushcell.errors import ConfigError
from tests.conftest import ROOT, SIM_CELL


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
        ("pusher.radius_m", 1e300, "less than or equal to 2"),
        ("pusher.length_m", 1e300, "less than or equal to 2"),
        ("task.slider", "teapot", "'t', 'triangle'"),
        ("task.goal", [2.0, 0.0, 0.0], "inside workspace.corners_m"),
        ("task.pusher_home_m", [0.301, 0.0], "inside workspace.corners_m"),
        ("workspace.corners_m", [[0.3, -0.3], [1.2, -0.3], [0.5, 0.3]], "on the table"),
        ("workspace.corners_m", [[0.3, 0], [0.7, 0.3], [0.5, 0.1], [0.7, -0.3]], "not convex"),
        ("cameras.1.name", "overhead", "different name"),
        ("cameras.0.rate_hz", 0, "greater than 0"),
        ("arm.link.lcm.url", "udpm://239.255.76.67:7667?ttl=1", "ttl=0"),
        ("arm.nominal_joints_rad", [0.0, 0.0], "at least 6 items"),
        ("arm.nominal_joints_rad", [0.0] * 8, "at most 7 items"),
        ("arm.nominal_joints_rad", [0.0] * 6, "one for each of the 7 joints of arm.model, joint_1"),
        ("arm.link.external_torque_limits_nm", [3.0] * 6, "one for each of the 7 joints"),
        ("arm.link.kind", "kuka", "'iiwa', 'ros2_control'"),
        ("arm.link.topic", "/commands", "unknown key"),
        ("arm.link.external_torque_limits_nm", [1, 1, 1, 1, 1, 1, 0], "greater than 0"),
        ("arm.model.urdf", "gone.urdf", "a URDF file, or null"),
        ("cameras.0.link", "elbow", "base or link_7"),
    ],
)
def test_a_bad_value_names_file_key_value_and_what_is_allowed(values, key, value, allowed):
    with pytest.raises(ConfigError) as caught:
        cell_from_dict(put(values, key, value), "my.yaml")
    message = str(caught.value)
    assert "my.yaml" in message
    assert key.split(".")[-1] in message or key.split(".")[0] in message
    assert allowed in message


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("arm.link.joints", ["a"] * 7, "a different name for each joint"),
        ("arm.link.joints", ["a", "b"], "at least 6 items"),
        ("arm.link.joints", list("abcdef"), "one for each of the 7 joints"),
        ("arm.link.state_topic", "/joint_states", "use_local_topics"),
        ("arm.link.state_topic", "joint states", "match pattern"),
        ("arm.link.command.kind", "velocities", "'positions', 'trajectory'"),
        ("arm.link.command.kind", "trajectory", "arm.link.command.time_from_start_s: missing key"),
        ("arm.link.command.time_from_start_s", 0.1, "unknown key"),
        ("arm.link.lcm", {}, "arm.link.lcm = {}: unknown key"),
        ("arm.link", {"joints": []}, "arm.link.kind: missing key"),
    ],
)
def test_a_bad_ros2_control_link_is_told_by_its_key(key, value, allowed):
    values = yaml.safe_load((SIM_CELL.parent / "cell.ros2_control.yaml").read_text())
    with pytest.raises(ConfigError) as caught:
        cell_from_dict(put(values, key, value), "my.yaml")
    assert key.rpartition(".")[0] in str(caught.value)
    assert allowed in str(caught.value)


CELLS = sorted(SIM_CELL.parent.glob("cell.*.yaml"))
SIMULATED = (SIM_CELL, SIM_CELL.parent / "cell.ur5e_sim.yaml")
REAL = [path for path in CELLS if path not in SIMULATED]


@pytest.mark.parametrize("path", CELLS, ids=lambda path: path.name)
def test_every_shipped_cell_loads(path):
    cell = load_cell(path)
    simulated = path in SIMULATED
    assert (cell.simulation is not None) == simulated
    if not simulated:
        with pytest.raises(ConfigError, match=r"no section simulation; .* such as sim"):
            _ = cell.simulated


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_no_real_cell_is_looser_than_the_simulated_one(path, cell):
    real = load_cell(path)
    for limits in ("policy", "teleop", "stop"):
        for key, value in getattr(real.motion, limits).model_dump().items():
            assert value <= getattr(getattr(cell.motion, limits), key), f"motion.{limits}.{key}"
    for key, value in real.motion.model_dump(exclude={"policy", "teleop", "stop"}).items():
        assert value <= getattr(cell.motion, key), f"motion.{key}"
    for key in ("command_silence_s", "first_command_max_jump_rad", "following_error_rad"):
        assert getattr(real.arm, key) <= getattr(cell.arm, key), f"arm.{key}"


def test_a_urdf_is_found_beside_the_cells_file(tmp_path, values):
    urdf = (ROOT / "pushcell" / "arm" / "iiwa7.urdf").read_text()
    (tmp_path / "other.urdf").write_text(urdf)
    (tmp_path / "cell.yaml").write_text(yaml.safe_dump(put(values, "arm.model.urdf", "other.urdf")))
    assert load_cell(tmp_path / "cell.yaml").arm.model.urdf == tmp_path / "other.urdf"


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
    with pytest.raises(ConfigError, match=r"no cell .*gone\.yaml'; known by name are iiwa, "):
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
