"""The simulated arm's end of the link: behaves as Drake's driver of the KUKA iiwa does.

Like that driver it publishes a status every period, holds the measured position until the
first command, follows the newest command for as long as there is none newer, keeps one degree
off the joints' ends, and gives up when commands come too early, jump, or when the arm is pushed
too hard.
"""

from __future__ import annotations

import struct
from collections import deque

import numpy as np
from drake import lcmt_iiwa_command, lcmt_iiwa_status

from pushcell.drivers.lcm_link import is_published, open_lcm
from pushcell.errors import ArmLinkError, ConfigError
from pushcell.geometry import Array
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.drives import Drives
from pushcell.timing import steady_seconds

_JOINTS = 7
_LIMIT_MARGIN_RAD = np.deg2rad(1.0)
# No command may come this soon after the first status: it would be of a controller left running.
_GUARD_S = 0.25
# An arm estimates external torque through a filter: the pusher's first touch is no collision.
_TORQUE_FILTER_S = 0.05
_MAX_EXTERNAL_TORQUE_NM = 60.0 * np.array([1.0, 1.0, 1.0, 0.5, 0.2, 0.2, 0.1])
# How long an answer may be on its way [s]; a driver that stops answering costs this once.
_ANSWER_S = 0.5


class SimulatedArmEndpoint:
    """Drives an `ArmCell` by ``lcmt_iiwa_command`` and publishes ``lcmt_iiwa_status``.

    Time stamps are simulated time. Raises ArmLinkError when an arm already reports there.
    """

    def __init__(self, world: ArmCell, url: str, status_channel: str, command_channel: str) -> None:
        if is_published(url, status_channel):
            raise ArmLinkError(
                f"an arm already reports on LCM channel {status_channel} of {url}: stop that "
                "cell, or give this one another namespace:=NAME, which names its channels, or "
                "another ROS_DOMAIN_ID, which moves the LCM port"
            )
        if len(world.joint_names) != _JOINTS:
            raise ConfigError(
                f"arm.link.kind = 'iiwa': an iiwa has {_JOINTS} joints, arm.model has "
                f"{len(world.joint_names)}: take ros2_control"
            )
        self.refused = 0
        self._world = world
        self._status_channel = status_channel
        self._drives = Drives(world)
        self._began_s = world.time_s
        lower, upper = world.joint_limits_rad
        self._lower, self._upper = lower + _LIMIT_MARGIN_RAD, upper - _LIMIT_MARGIN_RAD
        self._goal: Array = world.joint_positions
        self._external_torque_nm = np.zeros(_JOINTS)
        self._pending: list[bytes] = []
        self._reports_us: deque[int] = deque([-1, -1], maxlen=2)
        self._answered_us = -1  # the report that the newest command answers
        self._lcm = open_lcm(url)
        self._lcm.Subscribe(command_channel, self._pending.append)

    def step(self) -> None:
        """Obey what came, let one status period pass, report.

        Raises ArmLinkError when the arm stops by itself.
        """
        self._obey()
        self._drives.advance(self._goal)
        blend = self._drives.period_s / _TORQUE_FILTER_S
        self._external_torque_nm += blend * (self._world.contact_torques - self._external_torque_nm)
        self._publish()
        self._check_torque()

    def hear(self) -> None:
        """Take the commands that came, and wait for the answer to the last report where the one
        before was answered: then the next step obeys it on a busy machine too."""
        self._lcm.HandleSubscriptions(0)
        self._note_answers()
        before_us, last_us = self._reports_us
        deadline_s = steady_seconds() + _ANSWER_S
        while self._answered_us == before_us and steady_seconds() < deadline_s:
            self._lcm.HandleSubscriptions(1)
            self._note_answers()
            if self._answered_us == last_us:
                return

    def _note_answers(self) -> None:
        if self._pending:
            self._answered_us = _answered(self._pending[-1])

    def _obey(self) -> None:
        self._lcm.HandleSubscriptions(0)
        for data in self._pending:
            command = _positions(data)
            if command is None:
                self.refused += 1
            elif self._world.time_s - self._began_s < _GUARD_S:
                raise ArmLinkError(
                    f"a command came within {_GUARD_S} s of the arm's start: stop the "
                    "controller that was left running, or start the arm first"
                )
            else:
                self._goal = np.clip(command, self._lower, self._upper)
        self._pending.clear()

    def _publish(self) -> None:
        world = self._world
        status = lcmt_iiwa_status()
        status.utime = round(world.time_s * 1e6)
        self._reports_us.append(status.utime)
        status.num_joints = _JOINTS
        status.joint_position_measured = world.joint_positions.tolist()
        status.joint_velocity_estimated = world.joint_velocities.tolist()
        status.joint_position_commanded = self._goal.tolist()
        status.joint_position_ipo = world.interpolated_joints.tolist()
        status.joint_torque_measured = world.joint_torques.tolist()
        # In position mode nobody commands torques.
        status.joint_torque_commanded = [0.0] * _JOINTS
        status.joint_torque_external = self._external_torque_nm.tolist()
        self._lcm.Publish(self._status_channel, status.encode())

    def _check_torque(self) -> None:
        torque = np.abs(self._external_torque_nm)
        worst = int(np.argmax(torque / _MAX_EXTERNAL_TORQUE_NM))
        if torque[worst] > _MAX_EXTERNAL_TORQUE_NM[worst]:
            raise ArmLinkError(
                f"contact turned joint_{worst + 1} with {torque[worst]:.1f} Nm, more than "
                f"{_MAX_EXTERNAL_TORQUE_NM[worst]:.1f} Nm: the arm stopped; start the cell again"
            )


def _answered(data: bytes) -> int:
    """The time stamp that a command carries [us]; -1 when it is malformed."""
    try:
        return int(lcmt_iiwa_command.decode(data).utime)
    except (ValueError, struct.error):
        return -1


def _positions(data: bytes) -> Array | None:
    """The joints (7,) [rad] of a command message; None when it is malformed."""
    try:
        command = lcmt_iiwa_command.decode(data)
    except (ValueError, struct.error):
        return None
    positions = np.array(command.joint_position)
    if positions.shape != (_JOINTS,) or not np.isfinite(positions).all():
        return None
    return positions
