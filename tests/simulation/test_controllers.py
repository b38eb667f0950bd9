"""The simulated arm under ros2_control does what its controllers do, and no more."""

import numpy as np
import pytest

from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import ArmLinkError, ConfigError
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.controllers import SimulatedController

PERIOD_S = 0.005


@pytest.fixture(scope="module")
def cell() -> CellConfig:
    return load_cell("ur5e_sim")


@pytest.fixture
def world(cell: CellConfig) -> ArmCell:
    return ArmCell(cell, PERIOD_S)


@pytest.fixture
def controller(world: ArmCell) -> SimulatedController:
    return SimulatedController(world, world.joint_names)


def test_until_the_first_command_it_holds_and_time_passes(world, controller) -> None:
    start = world.joint_positions
    for _ in range(20):
        controller.step()
    np.testing.assert_allclose(world.joint_positions, start, atol=1e-6)
    assert world.time_s == pytest.approx(20 * PERIOD_S)


def test_a_position_is_taken_at_once_and_kept_for_ever(world, controller) -> None:
    goal = world.joint_positions + 0.01
    controller.command(goal.tolist())
    controller.step()
    np.testing.assert_allclose(world.commanded_joints, goal)
    for _ in range(200):
        controller.step()
    np.testing.assert_allclose(world.joint_positions, goal, atol=1e-5)


def test_joints_are_taken_by_name(world, controller) -> None:
    goal = world.joint_positions + 0.001 * np.arange(6)
    controller.command(goal[::-1].tolist(), world.joint_names[::-1])
    controller.step()
    np.testing.assert_allclose(world.commanded_joints, goal)


def test_a_point_is_reached_in_its_time_from_where_the_last_one_was_left(world, controller) -> None:
    start, names = world.joint_positions, world.joint_names
    controller.command((start + 0.02).tolist(), names, 4 * PERIOD_S)
    commanded = []
    for _ in range(2):
        controller.step()
        commanded.append(world.commanded_joints[0] - start[0])
    controller.command(start.tolist(), names, 2 * PERIOD_S)
    for _ in range(3):
        controller.step()
        commanded.append(world.commanded_joints[0] - start[0])
    np.testing.assert_allclose(commanded, [0.005, 0.01, 0.005, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("positions", "names"),
    [
        ([0.0] * 7, None),
        ([0.0] * 5, None),
        ([float("nan")] * 6, None),
        ([0.0] * 6, [f"joint_{i}" for i in range(1, 7)]),
        ([0.0] * 6, ["elbow_joint"] * 6),
    ],
)
def test_what_is_malformed_is_ignored_and_counted(world, controller, positions, names) -> None:
    before = world.joint_positions
    controller.command(positions, names)
    controller.step()
    assert controller.refused == 1
    np.testing.assert_allclose(world.commanded_joints, before)


def test_told_to_jump_the_arm_stops_by_itself(world, controller) -> None:
    goal = world.joint_positions
    goal[2] += 0.5
    controller.command(goal.tolist())
    with pytest.raises(ArmLinkError, match=r"elbow_joint was commanded to jump by 0\.500"):
        controller.step()


def test_no_drive_is_faster_than_its_joint(world, controller) -> None:
    controller.command((world.joint_positions + 0.3).tolist())
    before = world.commanded_joints
    controller.step()
    step = np.abs(world.commanded_joints - before).max()
    assert step == pytest.approx(3.141593 * PERIOD_S)


def test_reports_come_at_whole_steps_of_the_physics(cell: CellConfig) -> None:
    world = ArmCell(cell, 0.003)
    with pytest.raises(ConfigError, match=r"arm\.status_rate_hz = 200\.0"):
        SimulatedController(world, world.joint_names)
