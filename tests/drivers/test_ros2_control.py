import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.config.arm import Ros2ControlLinkConfig
from pushcell.drivers.arm import ArmFault, ArmReport, Fault
from pushcell.drivers.ros2_control import Ros2ControlDriver

JOINTS = tuple(f"A{number}" for number in range(1, 8))
LINK = Ros2ControlLinkConfig.model_validate(
    {
        "kind": "ros2_control",
        "joints": JOINTS,
        "state_topic": "/broadcaster/joint_states",
        "command": {"kind": "positions", "topic": "/controller/commands"},
    }
)
VALUES = {name: 0.1 * index for index, name in enumerate(JOINTS)}


@pytest.fixture
def sent() -> list[np.ndarray]:
    return []


@pytest.fixture
def driver(sent) -> Ros2ControlDriver:
    driver = Ros2ControlDriver(LINK, JOINTS, sent.append)
    driver.on_peers(listeners=1, publishers=1)
    return driver


def hear(driver: Ros2ControlDriver, names, position=None, velocity=(), effort=()):
    if position is None:
        position = [VALUES.get(name, -9.0) for name in names]
    driver.on_joint_states(3.0, names, position, velocity, effort)
    return driver.receive()


@given(st.permutations([*JOINTS, "finger_left", "finger_right"]))
def test_joints_are_found_by_name_in_any_order_among_others(names):
    driver = Ros2ControlDriver(LINK, JOINTS, lambda _: None)
    factors = [VALUES.get(name, -9.0) for name in names]
    report = hear(driver, names, factors, [2 * v for v in factors], [3 * v for v in factors])
    expected = np.array([VALUES[name] for name in JOINTS])
    assert np.array_equal(report.position, expected)
    assert np.array_equal(report.velocity, 2 * expected)
    assert np.array_equal(report.torque, 3 * expected)
    assert report.external_torque is None
    assert report.time_s == 3.0


def test_a_report_is_given_once_and_only_the_newest(driver):
    driver.on_joint_states(1.0, JOINTS, [0.0] * 7, (), ())
    assert hear(driver, JOINTS).time_s == 3.0
    assert driver.receive() is None


def test_messages_about_other_joints_alone_are_let_pass(driver):
    assert hear(driver, ["finger_left", "finger_right"]) is None
    assert driver.others == 1


@given(st.sets(st.sampled_from(JOINTS), min_size=1, max_size=6))
def test_missing_joints_are_named(missing):
    driver = Ros2ControlDriver(LINK, JOINTS, lambda _: None)
    fault = hear(driver, [name for name in JOINTS if name not in missing])
    assert fault.kind is Fault.JOINTS_MISSING
    assert all(name in fault.detail for name in missing)


@pytest.mark.parametrize("count", [0, 6, 8])
def test_as_many_positions_as_names(driver, count):
    assert hear(driver, JOINTS, [0.0] * count).kind is Fault.MALFORMED


@pytest.mark.parametrize("values", [[], [float("nan")] * 7, [0.0] * 6], ids=["none", "nan", "six"])
def test_an_arm_need_not_know_velocities_and_torques(driver, values):
    report = hear(driver, JOINTS, velocity=values, effort=values)
    assert isinstance(report, ArmReport)
    assert report.velocity is None
    assert report.torque is None


def test_positions_that_are_not_finite_reach_the_checks(driver):
    assert not np.isfinite(hear(driver, JOINTS, [float("nan")] * 7).position).any()


def test_it_waits_for_a_controller(driver, sent):
    driver.on_peers(listeners=0, publishers=1)
    assert "no controller listens on /controller/commands" in driver.waits_for
    driver.on_peers(listeners=1, publishers=1)
    assert driver.waits_for is None
    driver.send(np.arange(7.0))
    assert np.array_equal(sent[0], np.arange(7.0))


def test_somebody_else_who_commands_is_a_fault(driver):
    driver.on_peers(listeners=1, publishers=2)
    fault = hear(driver, JOINTS)
    assert isinstance(fault, ArmFault)
    assert fault.kind is Fault.OTHER_COMMANDER


def test_reports_whose_stamp_was_never_filled_in_are_named(driver):
    driver.on_joint_states(0.0, JOINTS, [0.0] * 7, (), ())
    fault = driver.receive()
    assert fault.kind is Fault.UNSTAMPED
    assert str(fault) == (
        "the arm's reports have no stamps (header.stamp on /broadcaster/joint_states is 0: its "
        "publisher must fill it in)"
    )
