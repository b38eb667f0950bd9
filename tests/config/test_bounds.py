"""Values that keep the arm safe are refused beyond their bounds, each by its name."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from pushcell.config.bounds import BOUNDS, Bound
from pushcell.config.cell import cell_from_dict, load_cell
from pushcell.errors import ConfigError
from tests.config.test_cell import put
from tests.conftest import ROOT, SIM_CELL

SIMULATED = yaml.safe_load(SIM_CELL.read_text())
WITH_A_TRAJECTORY = put(
    yaml.safe_load((SIM_CELL.parent / "cell.ros2_control.yaml").read_text()),
    "arm.link.command",
    {"kind": "trajectory", "topic": "/controller/joint_trajectory"},
)


def values_with(key: str, value: object) -> dict:
    """Those of a cell that has the key, changed; a list of joints has it for all of them."""
    values = WITH_A_TRAJECTORY if key.endswith("time_from_start_s") else SIMULATED
    joints = "joint_acc" in key or "joint_jerk" in key or "torque" in key
    return put(values, key, [value] * 7 if joints else value)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.key)
def test_a_value_beyond_its_bounds_is_refused(bound: Bound) -> None:
    for value in (0.9 * bound.least, 1.1 * bound.most, 1e9):
        if bound.least <= value <= bound.most:
            continue
        with pytest.raises(ConfigError) as caught:
            cell_from_dict(values_with(bound.key, value), "my.yaml")
        (sentence,) = [line for line in str(caught.value).splitlines() if bound.key in line][:1]
        assert "less than or equal to 1000" in sentence or (
            f"allowed: {bound.least:g} to {bound.most:g} ({bound.why})" in sentence
        )
        assert len(str(caught.value)) < 4000


def test_an_exception_is_named_and_shown() -> None:
    values = values_with("motion.following_error_rad", 1.0)
    values["allow_unsafe"] = ["motion.following_error_rad"]
    cell = cell_from_dict(values, "my.yaml")
    assert cell.motion.following_error_rad == 1.0
    assert cell.allow_unsafe == ("motion.following_error_rad",)
    values["motion"]["deadman_s"] = 1e9
    with pytest.raises(ConfigError, match=r"motion\.deadman_s = 1e\+09: allowed: 0.05 to 0.5"):
        cell_from_dict(values, "my.yaml")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("motion.speed", "it has no bounds, allowed: arm.command_silence_s"),
        ("arm.joint_velocity_limits_rad_s", "it has no bounds"),
        ("motion.deadman_s", "its value is within bounds, take the name out"),
    ],
)
def test_an_exception_that_is_none_is_refused(name: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"allow_unsafe = {name}: {problem}"):
        cell_from_dict({**SIMULATED, "allow_unsafe": [name]}, "my.yaml")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"motion.stop.acceleration_m_s2": 0.9}, "a stop is at least as hard as motion.policy"),
        ({"motion.stop.jerk_m_s3": 9.0}, "a stop is at least as hard as motion.policy"),
        (
            {"motion.deadman_s": 0.7, "allow_unsafe": ["motion.deadman_s"]},
            "the pusher goes 0.20 m, but from the middle of workspace.corners_m it is 0.17 m",
        ),
        ({"arm.joint_jerk_limits_rad_s3": [60.0] * 7}, "0.74 s to stop from its highest speed"),
        ({"motion.arm_status_age_s": 0.012, "arm.status_rate_hz": 100.0}, "at least 0.02, 2"),
        ({"arm.command_silence_s": 0.03, "motion.rate_hz": 50.0}, "2 periods of motion.rate_hz"),
        ({"arm.nominal_joints_rad": [100.0] * 7}, "of joint 1: allowed: -2.94706 to 2.94706"),
        ({"arm.joint_position_margin_rad": 3.0}, "it leaves joint 1 no way between -2.96706 and"),
        ({"arm.joint_velocity_limits_rad_s": [17.0] * 7}, "joint 1: allowed: up to 1.7104"),
    ],
)
def test_contradictions_are_refused(changes: dict, problem: str) -> None:
    values = SIMULATED
    for key, value in changes.items():
        values = put(values, key, value)
    with pytest.raises(ConfigError, match=r"my\.yaml") as caught:
        cell_from_dict(values, "my.yaml")
    assert problem in str(caught.value)


URDF = (ROOT / "pushcell" / "arm" / "iiwa7.urdf").read_text()


def fixed(*numbers: int) -> str:
    """The arm with some joints that do not move."""
    text = URDF
    for number in numbers:
        turning = f'"joint_{number}" type="revolute"'
        assert turning in text
        text = text.replace(turning, f'"joint_{number}" type="fixed"')
    return text


def with_an_eighth_joint() -> str:
    """The arm on a turntable."""
    joint = """<link name="turntable"/><joint name="joint_0" type="continuous">
        <parent link="base"/><child link="turntable"/><limit velocity="2" effort="1"/></joint>"""
    first = '<parent link="base"/>'
    assert URDF.count(first) == 1
    above = URDF.replace(first, '<parent link="turntable"/>')
    return above.replace("</robot>", f"{joint}</robot>")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            URDF.replace('lower="-2.094395" upper="2.094395"', 'lower="2" upper="-2"'),
            "leaves joint 2 no way between 2 and -2",
        ),
        (
            URDF.replace('velocity="1.7104"', 'velocity="fast"'),
            "joint 'joint_1': limit 'velocity' = 'fast' is no number: write it into the URDF's",
        ),
        (
            URDF.replace('velocity="1.7104"', 'velocity="nan"'),
            "joint 'joint_1': limit 'velocity' = 'nan' is no number",
        ),
        (
            URDF.replace('"joint_3" type', '"joint_2" type'),
            "two joints have one name (joint_1, joint_2, joint_2, joint_4, ",
        ),
        (URDF.replace('velocity="1.7104"', 'velocity="0.5"'), "joint 1: allowed: up to 0.5"),
        (
            URDF.replace(' velocity="1.7453"', ""),
            "joint 'joint_3' has no limit 'velocity': write it into the URDF's <limit>",
        ),
        (
            URDF.replace(
                '<limit lower="-2.094395" upper="2.094395" velocity="1.7104"', "<unlimited"
            ),
            "joint 'joint_2' has no limit 'lower': write it into the URDF's <limit>",
        ),
        (
            fixed(1, 2),
            "5 joints turn between base and link_7 (joint_3, joint_4, joint_5, joint_6, joint_7), "
            "allowed: 6 or 7; name other links",
        ),
        (with_an_eighth_joint(), "8 joints turn between base and link_7"),
        (
            URDF.replace('"joint_4" type="revolute"', '"joint_4" type="prismatic"'),
            "joint 'joint_4' is prismatic, allowed: joints that turn (revolute, continuous); make",
        ),
        (
            URDF.replace('"joint_4" type="revolute"', '"joint_4" type="floating"'),
            "joint 'joint_4' is floating, allowed: joints that turn",
        ),
        (fixed(3), "arm.nominal_joints_rad has 7 values, allowed: one for each of the 6 joints"),
        (
            "<robot/>",
            "no joint leads from 'base' to 'link_7'; give as base_link and tip_link two of",
        ),
        (
            URDF.replace('child link="link_6"', 'child link="wrist"'),
            "to 'link_6'; give as base_link and tip_link two of the URDF's links (base, link_1, ",
        ),
        ("<robot", "no arm can be read from"),
        ("\x00", "no arm can be read from"),
    ],
)
def test_the_arms_own_model_ends_what_is_allowed(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "other.urdf").write_text(text)
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(put(SIMULATED, "arm.model.urdf", "other.urdf")))
    with pytest.raises(ConfigError) as caught:
        load_cell(path)
    assert problem in str(caught.value)


def test_no_limit_is_looser_than_the_arms_own(cell) -> None:
    """The configuration may leave a joint less than its model, never more."""
    ends = np.array(cell.arm.joint_velocity_limits_rad_s)
    for joint in range(7):
        faster = [*ends[:joint], ends[joint] + 0.1, *ends[joint + 1 :]]
        values = values_with("arm.joint_velocity_limits_rad_s", [float(v) for v in faster])
        with pytest.raises(ConfigError, match=f"of joint {joint + 1}"):
            cell_from_dict(values, "my.yaml")


def test_the_documentation_has_the_bounds() -> None:
    rows = [f"| `{b.key}` | {b.least:g} | {b.most:g} | {b.why} | {b.source} |" for b in BOUNDS]
    assert "\n".join(rows) in (ROOT / "docs" / "safety.md").read_text()
