"""The KUKA iiwa through Drake's driver: LCM ``lcmt_iiwa_status`` in, ``lcmt_iiwa_command`` out."""

from __future__ import annotations

import math
import struct
from collections import deque

import numpy as np
from drake import lcmt_iiwa_command, lcmt_iiwa_status

from pushcell.closing import Closing
from pushcell.config.arm import IiwaLinkConfig
from pushcell.drivers.arm import ArmFault, ArmReport, Fault
from pushcell.drivers.lcm_link import is_published, open_lcm
from pushcell.drivers.lcm_url import lcm_url
from pushcell.errors import ArmLinkError
from pushcell.timing import steady_seconds

# Drake's driver gives up when commands come sooner than 0.25 s after its start.
_GUARD_US = 300_000
_SENT_KEPT = 8


class IiwaDriver(Closing):
    """One arm on one LCM URL; refuses to start where somebody else commands the arm.

    ``wait_ms``: how long `receive` waits for a report.
    """

    def __init__(self, link: IiwaLinkConfig, domain: int, wait_ms: int = 0) -> None:
        self._wait_ms = wait_ms
        self._url = lcm_url(link.lcm, domain)
        self._channels = link.lcm
        self._lcm = open_lcm(self._url)
        self._heard: ArmReport | ArmFault | None = None
        self._rival = False
        self._sent: deque[bytes] = deque(maxlen=_SENT_KEPT)
        self._first_utime = self._last_utime = -1
        self._commanding = False

    def __enter__(self) -> IiwaDriver:
        if is_published(self._url, self._channels.command_channel):
            raise ArmLinkError(
                f"somebody else already commands the arm on LCM channel "
                f"{self._channels.command_channel} of {self._url}: stop it, or give a "
                "simulated cell another namespace:=NAME or ROS_DOMAIN_ID, which moves its LCM too"
            )
        self._lcm.Subscribe(self._channels.status_channel, self._on_status)
        self._lcm.Subscribe(self._channels.command_channel, self._on_command)
        return self

    def close(self) -> None:
        """See `Closing.close`."""
        del self._lcm

    @property
    def waits_for(self) -> str | None:
        """What is missing before the arm takes commands, in words; None when it takes them."""
        if not self._commanding:
            return "its controller does not run: start the position driver's application on it"
        if self._last_utime - self._first_utime <= _GUARD_US:
            return "its driver has just started"
        return None

    def receive(self) -> ArmReport | ArmFault | None:
        """The next report, or what is wrong with it.

        LCM keeps one message and drops what comes after it: who was held up first finds an old
        one, and then, by the arm's time, a gap.
        """
        self._heard = None
        self._hear()
        if self._rival:
            self._rival = False
            return ArmFault(
                Fault.OTHER_COMMANDER, f"on LCM channel {self._channels.command_channel}"
            )
        return self._heard

    def _hear(self) -> None:
        """Our own commands come back too: they are no report."""
        deadline_s = steady_seconds() + 1e-3 * self._wait_ms
        self._lcm.HandleSubscriptions(0)
        while self._heard is None and (left_s := deadline_s - steady_seconds()) > 0:
            self._lcm.HandleSubscriptions(math.ceil(1e3 * left_s))

    def send(self, position: np.ndarray) -> None:
        """Command joint positions (n,) [rad]."""
        command = lcmt_iiwa_command()
        command.utime = self._last_utime
        command.num_joints = len(position)
        command.joint_position = [float(v) for v in position]
        data = command.encode()
        self._sent.append(data)
        self._lcm.Publish(self._channels.command_channel, data)

    def _on_command(self, data: bytes) -> None:
        self._rival = self._rival or data not in self._sent

    def _on_status(self, data: bytes) -> None:
        status = read_status(data)
        if isinstance(status, ArmFault):
            self._heard = status
            return
        if self._first_utime < 0 or status.utime < self._last_utime:
            self._first_utime = status.utime
        self._last_utime = status.utime
        # Drake's driver has no position of the controller's own interpolation outside of the
        # states in which it may command.
        self._commanding = bool(np.isfinite(status.joint_position_ipo).all())
        self._heard = ArmReport(
            1e-6 * status.utime,
            np.array(status.joint_position_measured),
            np.array(status.joint_velocity_estimated),
            np.array(status.joint_torque_measured),
            np.array(status.joint_torque_external),
        )


def read_status(data: bytes) -> lcmt_iiwa_status | ArmFault:
    """The arm's message in these bytes, or that there is none."""
    try:
        return lcmt_iiwa_status.decode(data)
    except (ValueError, struct.error) as error:
        return ArmFault(Fault.MALFORMED, f"not an lcmt_iiwa_status: {error}")
