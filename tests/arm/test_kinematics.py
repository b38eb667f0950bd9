"""The arm's kinematics against a product of exponentials that shares no code with them."""

import itertools
import math
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.arm import ArmModelConfig
from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import ConfigError, PlanningError
from pushcell.geometry import Array, Pose
from tests.conftest import SIM_CELL

# Axis and a point on it of every joint, of the arm that stretches straight up.
_AXES = (
    ((0, 0, 1), 0.0),
    ((0, 1, 0), 0.36),
    ((0, 0, 1), 0.36),
    ((0, -1, 0), 0.78),
    ((0, 0, 1), 0.78),
    ((0, 1, 0), 1.18),
    ((0, 0, 1), 1.18),
)
_FLANGE_HEIGHT_M = 1.261
_ENDS_DEG = (170, 120, 170, 120, 170, 120, 175)

joints = st.tuples(*(st.floats(-math.radians(end), math.radians(end)) for end in _ENDS_DEG))


@pytest.fixture(scope="module")
def kinematics(cell: CellConfig) -> ArmKinematics:
    return ArmKinematics(cell)


def exponential(axis: Array, height: float, angle: float) -> Array:
    """(4, 4) rotation by an angle about an axis through (0, 0, height), by Rodrigues' formula."""
    cross = np.cross(np.eye(3), axis)
    rotation = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    point = np.array([0, 0, height])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, point - rotation @ point
    return matrix


def tip_by_exponentials(q: Array, tip_offset_m: float) -> Array:
    """(4, 4) pose of the tip."""
    matrix = np.eye(4)
    for (axis, height), angle in zip(_AXES, q, strict=True):
        matrix = matrix @ exponential(np.array(axis, dtype=float), height, angle)
    stretched = np.eye(4)
    stretched[2, 3] = _FLANGE_HEIGHT_M + tip_offset_m
    return matrix @ stretched


def grid(cell: CellConfig, spacing_m: float) -> list[tuple[float, float]]:
    """Points of the workspace on a grid, and its corners."""
    polygon = cell.workspace.polygon
    low, high = polygon.vertices.min(axis=0), polygon.vertices.max(axis=0)
    points = itertools.product(
        *(np.arange(a, b, spacing_m) for a, b in zip(low, high, strict=True))
    )
    return [p for p in points if polygon.contains(p)] + [tuple(v) for v in polygon.vertices]


@given(q=joints)
@settings(max_examples=50)
def test_forward_kinematics_is_the_product_of_exponentials(
    kinematics: ArmKinematics, cell: CellConfig, q: tuple[float, ...]
) -> None:
    expected = tip_by_exponentials(np.array(q), cell.pusher.tip_offset_m)
    np.testing.assert_allclose(kinematics.tip_pose(q).matrix(), expected, atol=1e-9)


@given(q=joints)
@settings(max_examples=20)
def test_jacobian_is_the_derivative_of_the_product_of_exponentials(
    kinematics: ArmKinematics, cell: CellConfig, q: tuple[float, ...]
) -> None:
    jacobian, offset, h = kinematics.tip_jacobian(q), cell.pusher.tip_offset_m, 1e-6
    here = tip_by_exponentials(np.array(q), offset)
    for joint in range(7):
        step = h * np.eye(7)[joint]
        ahead, behind = (tip_by_exponentials(np.array(q) + s, offset) for s in (step, -step))
        velocity = (ahead - behind) / (2 * h)
        spin = velocity[:3, :3] @ here[:3, :3].T
        np.testing.assert_allclose(jacobian[3:, joint], velocity[:3, 3], atol=1e-6)
        np.testing.assert_allclose(
            jacobian[:3, joint], [spin[2, 1], spin[0, 2], spin[1, 0]], atol=1e-6
        )


@given(
    height=st.floats(0.0, 0.1),
    turn=st.floats(-0.3, 0.3),
    x=st.floats(0.48, 0.68),
    y=st.floats(-0.25, 0.15),
)
@settings(max_examples=40)
def test_inverse_kinematics_reaches_the_pose(
    kinematics: ArmKinematics, cell: CellConfig, height: float, turn: float, x: float, y: float
) -> None:
    target = Pose.from_xyz_rpy([x, y, height], [math.pi, 0, cell.pusher.tip_yaw_rad + turn])
    q = kinematics.solve(target, cell.arm.nominal_joints_rad)
    reached = tip_by_exponentials(q, cell.pusher.tip_offset_m)
    np.testing.assert_allclose(reached, target.matrix(), atol=1e-5)


def test_nominal_joints_point_nearly_straight_down(
    kinematics: ArmKinematics, cell: CellConfig
) -> None:
    tip = kinematics.tip_pose(cell.arm.nominal_joints_rad)
    posture = kinematics.pusher_posture(tip.translation[:2])
    np.testing.assert_allclose(tip.rotation, posture.rotation, atol=0.01)
    assert tip.translation[2] >= cell.pusher.tip_height_m - 0.005


def test_whole_workspace_is_within_the_joint_limits(
    kinematics: ArmKinematics, cell: CellConfig
) -> None:
    margin = cell.arm.joint_position_margin_rad
    ends = np.radians(_ENDS_DEG) - margin
    for xy in grid(cell, 0.02):
        q = kinematics.home_joints(xy)
        assert (np.abs(q) <= ends + 1e-6).all()
        reached = tip_by_exponentials(q, cell.pusher.tip_offset_m)
        np.testing.assert_allclose(reached[:3, 3], [*xy, cell.pusher.tip_height_m], atol=1e-5)
        np.testing.assert_allclose(reached, kinematics.pusher_posture(xy).matrix(), atol=1e-4)


def test_joints_follow_a_walk_through_the_workspace_without_jumps(
    kinematics: ArmKinematics, cell: CellConfig
) -> None:
    """A boustrophedon at full speed, each solution sought from the one before."""
    columns: dict[float, list[tuple[float, float]]] = {}
    for x, y in grid(cell, 0.02)[: -len(cell.workspace.corners_m)]:
        columns.setdefault(x, []).append((x, y))
    path = [p for i, c in enumerate(columns.values()) for p in (c if i % 2 == 0 else c[::-1])]
    q = kinematics.home_joints(path[0])
    limits = np.array(cell.arm.joint_velocity_limits_rad_s)
    for here, there in itertools.pairwise(path):
        following = kinematics.solve(kinematics.pusher_posture(there), q)
        duration = math.dist(here, there) / cell.motion.policy.speed_m_s
        assert (np.abs(following - q) <= limits * duration).all()
        q = following


def test_solution_stays_near_the_seed(kinematics: ArmKinematics, cell: CellConfig) -> None:
    q = kinematics.home_joints(cell.task.pusher_home_m)
    np.testing.assert_allclose(kinematics.solve(kinematics.tip_pose(q), q), q, atol=1e-6)


def test_following_reaches_the_pose_exactly_and_nearly_as_solving_does(
    kinematics: ArmKinematics, cell: CellConfig
) -> None:
    points = np.array(grid(cell, 0.06))
    q = solved = kinematics.home_joints(points[0])
    for here, there in itertools.pairwise(points):
        for share in np.linspace(0, 1, 11)[1:]:
            target = kinematics.pusher_posture(here + share * (there - here))
            q, solved = kinematics.follow(target, q), kinematics.solve(target, solved)
            np.testing.assert_allclose(kinematics.tip_pose(q).matrix(), target.matrix(), atol=2e-5)
            assert (q >= kinematics.lower_rad).all()
            assert (q <= kinematics.upper_rad).all()
        assert np.abs(q - solved).max() < 0.05


def test_following_out_of_reach_is_refused_as_solving_is(kinematics: ArmKinematics) -> None:
    q = kinematics.home_joints((0.7, 0.0))
    with pytest.raises(PlanningError, match="nearest found"):
        kinematics.follow(kinematics.pusher_posture((0.95, 0.0)), q)


def test_out_of_reach_says_by_how_much(kinematics: ArmKinematics) -> None:
    stretched_m = 0.42 + 0.4
    with pytest.raises(PlanningError, match=r"nearest found: (\d+\.\d) mm") as caught:
        kinematics.home_joints((0.95, 0.0))
    miss_mm = float(str(caught.value).split("nearest found: ")[1].split(" mm")[0])
    assert 1e3 * (0.95 - stretched_m) - 5 < miss_mm < 1e3 * (0.95 - 0.80)


@pytest.fixture
def other_arm(cell: CellConfig, tmp_path: Path) -> Callable[..., CellConfig]:
    """The cell with its arm's URDF rewritten and read from a file."""

    def make(tip_link: str = "link_7", **replacements: str) -> CellConfig:
        urdf = files("pushcell.arm").joinpath("iiwa7.urdf").read_text(encoding="utf-8")
        for old, new in replacements.items():
            assert old in urdf
            urdf = urdf.replace(old, new)
        (tmp_path / "arm.urdf").write_text(urdf)
        model = ArmModelConfig(urdf=tmp_path / "arm.urdf", base_link="base", tip_link=tip_link)
        return cell.model_copy(update={"arm": cell.arm.model_copy(update={"model": model})})

    return make


def test_another_arm_comes_from_its_urdf_whatever_its_names(
    other_arm: Callable[..., CellConfig], kinematics: ArmKinematics
) -> None:
    mesh = '<mesh filename="package://nowhere/base.dae"/>'
    cylinder = '<cylinder radius="0.08" length="0.157"/>'
    other = ArmKinematics(other_arm("lbr_7", joint_="A", link_="lbr_", **{cylinder: mesh}))
    q = np.linspace(-1, 1, 7)
    np.testing.assert_allclose(other.tip_pose(q).matrix(), kinematics.tip_pose(q).matrix())
    np.testing.assert_array_equal(other.lower_rad, kinematics.lower_rad)


@pytest.mark.parametrize(
    ("tip_link", "replacement", "problem"),
    [
        ("flange", {}, r"no link 'flange', allowed: base, link_1"),
        ("link_7", {'"joint_3" type="revolute"': '"joint_3" type="prismatic"'}, "is prismatic"),
        ("link_6", {}, r"joints move that are not between base and link_6 \(joint_7\): make them"),
        ("link_7", {"</robot>": ""}, r"no arm can be read from .*arm\.urdf"),
    ],
    ids=["no such link", "sliding joint", "moving finger", "no XML"],
)
def test_a_model_that_is_no_arm_is_refused(
    other_arm: Callable[..., CellConfig], tip_link: str, replacement: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        ArmKinematics(other_arm(tip_link, **replacement))


@pytest.mark.parametrize("path", sorted(SIM_CELL.parent.glob("cell.*.yaml")), ids=lambda p: p.name)
def test_every_shipped_cells_workspace_can_be_reached(path: Path) -> None:
    shipped = load_cell(path)
    arm = ArmKinematics(shipped)
    for corner in shipped.workspace.polygon.vertices:
        arm.home_joints(corner)
