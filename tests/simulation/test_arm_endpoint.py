"""The simulated arm on its link, spoken to as a real arm is."""

import os
import socket
import threading
import time

import numpy as np
import pytest
from drake import lcmt_iiwa_command, lcmt_iiwa_status
from pydrake.lcm import DrakeLcm

from pushcell.config.cell import CellConfig, load_cell
from pushcell.drivers.arm import ArmReport
from pushcell.drivers.iiwa import IiwaDriver
from pushcell.drivers.lcm_link import open_lcm
from pushcell.drivers.lcm_url import instance_url
from pushcell.errors import ArmLinkError, ConfigError
from pushcell.geometry import Array
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.arm_endpoint import SimulatedArmEndpoint

COARSE_S = 0.005
GUARD_STEPS = 51  # of 5 ms: a little more than the 0.25 s in which no command may come
PATIENCE = 5000  # steps for a datagram to arrive in, on a busy machine
# Test runs side by side do not hear each other, and Linux gives these ports to no other program.
INSTANCE = 30 + 2 * (os.getpid() % 20)


class ArmLink:
    """The other end: sends commands, keeps the statuses."""

    def __init__(self, cell: CellConfig, instance: int) -> None:
        self._lcm = DrakeLcm(instance_url(cell.arm.link.lcm.url, instance))
        self._raw: list[bytes] = []
        self._channel = cell.arm.link.lcm.command_channel
        self._lcm.Subscribe(cell.arm.link.lcm.status_channel, self._raw.append)

    def status(self) -> lcmt_iiwa_status:
        """The next status; fails when none comes."""
        assert self._lcm.HandleSubscriptions(5000) > 0
        return lcmt_iiwa_status.decode(self._raw.pop())

    def command(self, positions: list[float]) -> None:
        message = lcmt_iiwa_command()
        message.num_joints, message.joint_position = len(positions), positions
        self.publish(message.encode())

    def publish(self, data: bytes) -> None:
        self._lcm.Publish(self._channel, data)


def make_endpoint(cell: CellConfig, instance: int) -> tuple[ArmCell, SimulatedArmEndpoint]:
    world, lcm = ArmCell(cell, COARSE_S), cell.arm.link.lcm
    url = instance_url(lcm.url, instance)
    return world, SimulatedArmEndpoint(world, url, lcm.status_channel, lcm.command_channel)


@pytest.fixture
def arm(cell: CellConfig) -> tuple[ArmCell, SimulatedArmEndpoint, ArmLink]:
    """World, endpoint and link, past the time in which commands must not come."""
    world, endpoint = make_endpoint(cell, INSTANCE)
    link = ArmLink(cell, INSTANCE)
    for _ in range(GUARD_STEPS):
        endpoint.step()
        link.status()
    return world, endpoint, link


def test_an_iiwa_has_seven_joints(cell: CellConfig) -> None:
    six = load_cell("ur5e_sim")
    link = cell.arm.link.changed(external_torque_limits_nm=(3.0,) * 6).model_dump()
    with pytest.raises(ConfigError, match=r"an iiwa has 7 joints, arm\.model has 6"):
        make_endpoint(six.changed(arm=six.arm.changed(link=link).model_dump()), INSTANCE)


def turn(joint: int, angle_rad: float) -> Array:
    return angle_rad * np.eye(7)[joint - 1]


def exchange(endpoint: SimulatedArmEndpoint, link: ArmLink, positions: list[float] | Array) -> None:
    """Send one command and see it obeyed: statuses come on the same link, after it."""
    goal = list(positions)
    for _ in range(PATIENCE):
        link.command(goal)
        endpoint.step()
        if np.allclose(link.status().joint_position_commanded, goal):
            return
    pytest.fail("the command never arrived")


def test_status_tells_the_arms_state(
    cell: CellConfig, arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink]
) -> None:
    world, endpoint, link = arm
    stamps = []
    for _ in range(5):
        endpoint.step()
        status = link.status()
        stamps.append(status.utime)
    assert np.diff(stamps) == pytest.approx(1e6 / cell.arm.status_rate_hz)
    assert stamps[-1] == round(world.time_s * 1e6)
    assert status.num_joints == 7
    np.testing.assert_array_equal(status.joint_position_measured, world.joint_positions)
    np.testing.assert_array_equal(status.joint_velocity_estimated, world.joint_velocities)
    np.testing.assert_array_equal(status.joint_torque_measured, world.joint_torques)
    np.testing.assert_array_equal(status.joint_torque_external, world.contact_torques)


def test_arm_holds_where_it_is_before_the_first_command(
    arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink],
) -> None:
    world, endpoint, link = arm
    before = world.joint_positions
    endpoint.step()
    status = link.status()
    np.testing.assert_allclose(status.joint_position_commanded, before, atol=1e-6)
    np.testing.assert_allclose(world.joint_positions, before, atol=1e-6)


def test_arm_follows_commands_and_keeps_the_last(
    arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink],
) -> None:
    world, endpoint, link = arm
    goal = world.joint_positions + np.array([0.03, -0.02, 0.01, 0.02, -0.03, 0.01, -0.02])
    exchange(endpoint, link, goal)
    for _ in range(200):
        endpoint.step()
        status = link.status()
    np.testing.assert_allclose(world.joint_positions, goal, atol=1e-5)
    np.testing.assert_allclose(status.joint_position_ipo, goal, atol=1e-9)


def test_arm_moves_no_faster_than_its_joints_can(
    arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink],
) -> None:
    world, endpoint, link = arm
    goal = world.joint_positions + turn(1, 0.1)
    exchange(endpoint, link, goal)
    drives = [world.interpolated_joints[0]]
    while abs(drives[-1] - goal[0]) > 1e-9:
        endpoint.step()
        drives.append(world.interpolated_joints[0])
        assert len(drives) < 100
    fastest = np.diff(drives).max() / COARSE_S
    assert fastest == pytest.approx(np.radians(98), rel=1e-3)


def malformed(positions: Array) -> dict[str, bytes]:
    def encoded(values: list[float]) -> bytes:
        message = lcmt_iiwa_command()
        message.num_joints, message.joint_position = len(values), values
        return message.encode()

    good = list(positions + 0.02)
    return {
        "six joints": encoded(good[:6]),
        "eight joints": encoded([*good, 0.0]),
        "not a number": encoded([*good[:6], float("nan")]),
        "infinite": encoded([float("inf"), *good[1:]]),
        "cut short": encoded(good)[:40],
        "another type": b"\0" * 40,
        "empty": b"",
    }


@pytest.mark.parametrize("fault", sorted(malformed(np.zeros(7))))
def test_malformed_commands_are_refused_and_counted(
    arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink], fault: str
) -> None:
    world, endpoint, link = arm
    before = world.joint_positions
    for _ in range(PATIENCE):
        link.publish(malformed(before)[fault])
        endpoint.step()
        link.status()
        if endpoint.refused:
            break
    assert endpoint.refused >= 1
    np.testing.assert_allclose(world.joint_positions, before, atol=1e-6)


def test_arm_stops_one_degree_before_a_joints_end(
    arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink],
) -> None:
    world, endpoint, link = arm
    goal = world.joint_positions
    while goal[6] < np.radians(180):
        goal = goal + turn(7, 0.05)
        link.command(list(goal))
        for _ in range(10):
            endpoint.step()
            link.status()
    assert world.joint_positions[6] == pytest.approx(np.radians(174), abs=1e-4)


def step_until_it_fails(endpoint: SimulatedArmEndpoint, link: ArmLink, positions: Array) -> None:
    for _ in range(PATIENCE):
        link.command(list(positions))
        endpoint.step()


def test_a_jump_stops_the_arm(arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink]) -> None:
    world, endpoint, link = arm
    with pytest.raises(ArmLinkError, match=r"joint_2 was commanded to jump by 0\.500 rad"):
        step_until_it_fails(endpoint, link, world.joint_positions + turn(2, 0.5))


def test_a_controller_left_running_is_not_obeyed(cell: CellConfig) -> None:
    world, endpoint = make_endpoint(cell, INSTANCE)
    with pytest.raises(ArmLinkError, match=r"within 0\.25 s of the arm's start"):
        step_until_it_fails(endpoint, ArmLink(cell, INSTANCE), world.joint_positions)


def test_pressing_into_the_table_stops_the_arm(
    arm: tuple[ArmCell, SimulatedArmEndpoint, ArmLink],
) -> None:
    world, endpoint, link = arm

    def press() -> None:
        goal = world.joint_positions
        for _ in range(400):
            goal = goal + turn(2, 0.0005)
            link.command(list(goal))
            endpoint.step()
            link.status()

    with pytest.raises(ArmLinkError, match="contact turned joint_"):
        press()
    assert world.tip_pose.translation[2] == pytest.approx(0.0, abs=2e-3)


def next_report(driver: IiwaDriver) -> ArmReport:
    for _ in range(PATIENCE):
        report = driver.receive()
        if isinstance(report, ArmReport):
            return report
        time.sleep(0.001)
    pytest.fail("the arm does not report")


def test_driver_cannot_tell_the_simulated_arm(cell: CellConfig) -> None:
    world, endpoint = make_endpoint(cell, INSTANCE)
    start: Array | None = None
    with IiwaDriver(cell.arm.link, INSTANCE) as driver:
        for step in range(400):
            endpoint.step()
            report = next_report(driver)
            start = report.position if start is None else start
            if driver.waits_for is None:
                driver.send(start + turn(1, 2e-4 * min(step, 200)))
    np.testing.assert_allclose(world.joint_positions - start, turn(1, 0.04), atol=1e-4)


def test_a_second_arm_on_the_channel_is_refused(cell: CellConfig) -> None:
    _, endpoint = make_endpoint(cell, INSTANCE)
    done = threading.Event()

    def run() -> None:
        while not done.wait(0.002):
            endpoint.step()

    running = threading.Thread(target=run)
    running.start()
    try:
        with pytest.raises(ArmLinkError, match="an arm already reports on LCM channel"):
            make_endpoint(cell, INSTANCE)
        make_endpoint(cell, INSTANCE + 1)
    finally:
        done.set()
        running.join()


def test_status_rate_must_fit_the_time_step(cell: CellConfig) -> None:
    arm = cell.arm.model_copy(update={"status_rate_hz": 150.0})
    with pytest.raises(ConfigError, match=r"arm\.status_rate_hz = 150\.0"):
        make_endpoint(cell.model_copy(update={"arm": arm}), INSTANCE)


def test_cells_have_ports_of_their_own_that_dds_does_not_take(cell: CellConfig) -> None:
    wires = {port_of(instance_url(cell.arm.link.lcm.url, domain)) for domain in range(233)}
    assert len(wires) == 233
    # The ports of the DDS-RTPS specification, for 120 participants.
    starts = [7400 + 250 * domain for domain in range(233)]
    offsets = [0, 1, *range(10, 250)]
    assert wires.isdisjoint(start + offset for start in starts for offset in offsets)


def test_a_port_that_there_is_not_is_refused() -> None:
    url = "udpm://239.255.76.67:7667?ttl=0"
    assert instance_url(url, 0) == url
    assert instance_url(url, 3) == "udpm://239.255.76.67:8417?ttl=0"
    for domain in (-28, 232):
        with pytest.raises(ConfigError, match="allowed: 1024 to 65535"):
            instance_url(url, domain)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("?")[0])


def test_a_port_that_another_program_has_is_one_sentence() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 0))
        port = other.getsockname()[1]
        with pytest.raises(ArmLinkError, match=f"another program has port {port}; end that"):
            open_lcm(f"udpm://239.255.76.67:{port}?ttl=0")


def test_unroutable_address_is_one_sentence() -> None:
    with pytest.raises(ArmLinkError, match="LCM cannot use"):
        open_lcm("udpm://255.255.255.255:7667?ttl=0")
