"""The iiwa's driver against another end of its link that says what the test wants."""

import os
import threading
import time

import numpy as np
import pytest
from drake import lcmt_iiwa_command, lcmt_iiwa_status
from pydrake.lcm import DrakeLcm

from pushcell.drivers.arm import ArmFault, ArmReport, Fault
from pushcell.drivers.iiwa import IiwaDriver
from pushcell.drivers.lcm_url import in_namespace, lcm_url
from pushcell.errors import ArmLinkError, ConfigError

# Test runs side by side do not hear each other, and Linux gives these ports to no other program.
DOMAIN = 30 + 2 * (os.getpid() % 20)
Q = [0.1, 0.2, 0.3, -0.4, 0.5, 0.6, 0.7]


class ArmLink:
    """The arm's end."""

    def __init__(self, lcm) -> None:
        self._lcm = DrakeLcm(lcm_url(lcm, DOMAIN))
        self._channels = lcm
        self._commands: list[bytes] = []
        self._lcm.Subscribe(lcm.command_channel, self._commands.append)

    def status(self, utime: int, joints: int = 7, **changes) -> None:
        status = lcmt_iiwa_status()
        status.utime, status.num_joints = utime, joints
        for name in ("position_measured", "position_commanded", "position_ipo"):
            setattr(status, f"joint_{name}", (Q * 2)[:joints])
        for name in (
            "velocity_estimated",
            "torque_measured",
            "torque_commanded",
            "torque_external",
        ):
            setattr(status, f"joint_{name}", [0.25] * joints)
        for name, value in changes.items():
            setattr(status, name, value)
        self.raw(status.encode())

    def raw(self, data: bytes) -> None:
        self._lcm.Publish(self._channels.status_channel, data)

    def command(self, position: list[float]) -> None:
        message = lcmt_iiwa_command()
        message.num_joints, message.joint_position = len(position), position
        self._lcm.Publish(self._channels.command_channel, message.encode())

    def heard_command(self) -> lcmt_iiwa_command:
        self._commands.clear()
        self._lcm.HandleSubscriptions(1000)
        return lcmt_iiwa_command.decode(self._commands[-1])


@pytest.fixture
def link(cell) -> ArmLink:
    return ArmLink(cell.arm.link.lcm)


@pytest.fixture
def driver(cell, link):
    with IiwaDriver(cell.arm.link, DOMAIN) as driver:
        yield driver


def heard(driver: IiwaDriver, say) -> ArmReport | ArmFault:
    """What the driver makes of a message, said again should the machine hold the driver up."""
    for _ in range(50):
        driver.receive()
        say()
        for _ in range(50):
            result = driver.receive()
            if result is not None:
                return result
            time.sleep(0.001)
    pytest.fail("nothing was heard")


def test_a_report_has_the_arms_own_time_and_all_its_figures(driver, link):
    report = heard(driver, lambda: link.status(1_234_567))
    assert report.time_s == pytest.approx(1.234567)
    assert report.position.tolist() == Q
    for values in (report.velocity, report.torque, report.external_torque):
        assert values.tolist() == [0.25] * 7


def test_what_was_missed_while_the_driver_was_held_up_shows_as_a_gap_of_time(driver, link):
    heard(driver, lambda: link.status(1_000_000))
    for late in range(1, 21):
        link.status(1_000_000 + 5_000 * late)
        time.sleep(0.002)
    times = [driver.receive().time_s]
    times.append(heard(driver, lambda: link.status(1_105_000)).time_s)
    assert times == pytest.approx([1.005, 1.105]), "no old report follows another"


def test_it_commands_in_the_arms_time(driver, link):
    heard(driver, lambda: link.status(2_000_000))
    driver.send(np.array(Q) + 0.01)
    command = link.heard_command()
    assert command.utime == 2_000_000
    assert command.num_joints == 7
    assert list(command.joint_position) == (np.array(Q) + 0.01).tolist()


def test_no_command_comes_to_an_arm_that_has_just_started(driver, link):
    assert driver.waits_for is not None, "it has not reported at all"
    heard(driver, lambda: link.status(5_000_000))
    assert "just started" in driver.waits_for
    heard(driver, lambda: link.status(5_290_000))
    assert "just started" in driver.waits_for
    heard(driver, lambda: link.status(5_310_000))
    assert driver.waits_for is None
    heard(driver, lambda: link.status(100_000))
    assert "just started" in driver.waits_for, "the driver was restarted"


def test_an_arm_outside_of_its_commanding_states_takes_no_commands(driver, link):
    heard(driver, lambda: link.status(5_000_000))
    heard(driver, lambda: link.status(6_000_000))
    assert driver.waits_for is None
    heard(driver, lambda: link.status(6_005_000, joint_position_ipo=[float("nan")] * 7))
    assert "its controller does not run" in driver.waits_for


def test_another_number_of_joints_reaches_the_checks(driver, link):
    assert heard(driver, lambda: link.status(1, joints=14)).position.shape == (14,)


@pytest.mark.parametrize("data", [b"", b"\0" * 40])
def test_what_is_no_status_is_malformed(driver, link, data):
    assert heard(driver, lambda: link.raw(data)).kind is Fault.MALFORMED


def test_its_own_commands_are_not_somebody_elses(driver, link):
    for step in range(20):
        driver.send(np.array(Q) + 0.001 * step)
        time.sleep(0.002)
        assert not isinstance(driver.receive(), ArmFault)


def test_somebody_else_who_commands_is_noticed(driver, link):
    fault = heard(driver, lambda: link.command(Q))
    assert fault.kind is Fault.OTHER_COMMANDER


def test_it_does_not_start_beside_somebody_who_commands(cell, link):
    done = threading.Event()

    def chatter() -> None:
        while not done.wait(0.01):
            link.command(Q)

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        with (
            pytest.raises(ArmLinkError, match="already commands the arm"),
            IiwaDriver(cell.arm.link, DOMAIN),
        ):
            pass
    finally:
        done.set()
        thread.join()


def test_a_real_arms_port_is_the_same_in_every_domain(cell):
    lcm = cell.arm.link.lcm
    assert lcm_url(lcm, 3) == "udpm://239.255.76.67:8157?ttl=0"
    assert lcm_url(lcm.model_copy(update={"port_follows_domain": False}), 3) == lcm.url


def test_wire_of_a_namespace(cell):
    lcm = cell.arm.link.lcm
    left = in_namespace(lcm, "/hall/left")
    assert left.status_channel == f"hall/left/{lcm.status_channel}"
    assert left.command_channel == f"hall/left/{lcm.command_channel}"
    assert in_namespace(lcm, "/") == lcm
    real = lcm.model_copy(update={"port_follows_domain": False})
    assert in_namespace(real, "/hall/left") == real, "a real arm's driver is where it is"
    with pytest.raises(ConfigError, match="allowed: 63 letters"):
        in_namespace(lcm, "/" + 60 * "n")
