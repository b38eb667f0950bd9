"""The motors of a simulated arm: they go where they are told, at the most at their full speed."""

from __future__ import annotations

import math

import numpy as np

from pushcell.errors import ArmLinkError, ConfigError
from pushcell.geometry import Array
from pushcell.simulation.arm_cell import ArmCell

# A command may be as far from where the drives are as the arm moves at full speed in this time.
_MAX_LEAD_S = 0.1


class Drives:
    """Those of an `ArmCell`, in steps of one period of its arm's reports."""

    def __init__(self, world: ArmCell) -> None:
        self._world = world
        self.period_s = _status_period(world)

    def advance(self, goal: Array) -> None:
        """Let a period pass, on the way to joints (n,) [rad].

        Raises ArmLinkError, as an arm stops by itself, when told to jump.
        """
        drives = self._world.interpolated_joints
        lead = goal - drives
        speed = self._world.joint_speed_limits_rad_s
        worst = int(np.argmax(np.abs(lead) / speed))
        if abs(lead[worst]) > _MAX_LEAD_S * speed[worst]:
            raise ArmLinkError(
                f"{self._world.joint_names[worst]} was commanded to jump by "
                f"{abs(lead[worst]):.3f} rad, more than {_MAX_LEAD_S * speed[worst]:.3f} rad: "
                "the arm stopped; start the cell again"
            )
        reach = speed * self.period_s
        self._world.command_joints(drives + np.clip(lead, -reach, reach))
        self._world.advance(self.period_s)


def _status_period(world: ArmCell) -> float:
    rate_hz = world.cell.arm.status_rate_hz
    steps = 1.0 / (rate_hz * world.time_step_s)
    if not math.isclose(steps, round(steps), rel_tol=1e-6):
        raise ConfigError(
            f"arm.status_rate_hz = {rate_hz}: allowed: a rate whose period is a whole number of "
            f"time steps (simulation.physics.time_step_s) of {world.time_step_s} s"
        )
    return 1.0 / rate_hz
