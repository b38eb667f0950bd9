"""The KUKA iiwa through Drake's driver: LCM ``lcmt_iiwa_status`` in, ``lcmt_iiwa_command`` out."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from drake import lcmt_iiwa_command, lcmt_iiwa_status

from pushcell.config_arm import LcmConfig
from pushcell.drivers.arm import ArmStatus
from pushcell.drivers.lcm_link import is_published, open_lcm
from pushcell.drivers.lcm_url import lcm_url
from pushcell.errors import ArmLinkError
from pushcell.geometry import Array

# Drake's driver gives up when commands come sooner than 0.25 s after its start.
_GUARD_US = 300_000


class IiwaDriver:
    """One arm on one LCM URL; refuses to start where somebody else commands the arm."""

    def __init__(self, lcm: LcmConfig, domain: int) -> None:
        self._url = lcm_url(lcm, domain)
        self._channels = lcm
        self._lcm = open_lcm(self._url)
        self._newest: lcmt_iiwa_status | None = None
        self._first_utime: int | None = None
        self._last_utime = -1

    def __enter__(self) -> IiwaDriver:
        if is_published(self._url, self._channels.command_channel):
            raise ArmLinkError(
                f"somebody else already commands the arm on LCM channel "
                f"{self._channels.command_channel} of {self._url}: stop it, or set another "
                "ROS_DOMAIN_ID, which moves the LCM port too"
            )
        self._lcm.Subscribe(self._channels.status_channel, self._on_status)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._lcm

    @property
    def ready(self) -> bool:
        """Whether the arm takes commands yet: not while it may have just started."""
        return self._first_utime is not None and self._last_utime - self._first_utime > _GUARD_US

    def receive(self, timeout_s: float) -> ArmStatus | None:
        """Wait for the arm's next report; None when none came in time. Only the newest counts."""
        self._newest = None
        self._lcm.HandleSubscriptions(round(1000 * timeout_s))
        status = self._newest
        if status is None:
            return None
        if status.num_joints != 7:
            raise ArmLinkError(
                f"the arm on {self._url} has {status.num_joints} joints where an iiwa has 7"
            )
        return ArmStatus(
            np.array(status.joint_position_measured),
            np.array(status.joint_velocity_estimated),
            np.array(status.joint_torque_measured),
        )

    def send(self, position: Array) -> None:
        """Command joint positions (7,) [rad]."""
        command = lcmt_iiwa_command()
        command.utime = self._last_utime
        command.num_joints = len(position)
        command.joint_position = [float(v) for v in position]
        self._lcm.Publish(self._channels.command_channel, command.encode())

    def _on_status(self, data: bytes) -> None:
        status = lcmt_iiwa_status.decode(data)
        if status.utime > self._last_utime:
            if self._first_utime is None:
                self._first_utime = status.utime
            self._last_utime = status.utime
            self._newest = status
