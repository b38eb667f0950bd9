"""A straight way of the joints from rest to rest, slow and without jerks."""

from __future__ import annotations

import numpy as np
from ruckig import InputParameter, Result, Ruckig, Synchronization, Trajectory

from pushcell.config.arm import ArmConfig
from pushcell.errors import CalibrationError
from pushcell.geometry import Array


class JointDrive:
    """Positions (n,) [rad] and velocities (n,) [rad/s] at times since its beginning [s].

    ``share`` is of the joints' limits.
    """

    def __init__(self, arm: ArmConfig, start: Array, goal: Array, share: float) -> None:
        wanted = InputParameter(len(start))
        wanted.synchronization = Synchronization.Phase
        wanted.current_position, wanted.target_position = start, goal
        wanted.max_velocity = share * np.array(arm.joint_velocity_limits_rad_s)
        wanted.max_acceleration = share * np.array(arm.joint_acceleration_limits_rad_s2)
        wanted.max_jerk = share * np.array(arm.joint_jerk_limits_rad_s3)
        self._profile = Trajectory(len(start))
        result = Ruckig(len(start)).calculate(wanted, self._profile)
        if result not in (Result.Working, Result.Finished):
            raise CalibrationError(f"no way is found for the joints from {start} to {goal}")

    @property
    def duration_s(self) -> float:
        """Duration of the drive from start to goal [s]."""
        return float(self._profile.duration)

    def at(self, time_s: float) -> tuple[Array, Array]:
        """Where the joints shall be, and how fast they shall move."""
        position, velocity, _ = self._profile.at_time(min(max(time_s, 0.0), self.duration_s))
        return np.array(position), np.array(velocity)
