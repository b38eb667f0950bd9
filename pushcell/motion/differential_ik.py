"""Differential inverse kinematics: joint commands that carry the tip along, straight down.

A velocity of the tip (feed-forward and correction of what is off) becomes joint velocities by
Drake's quadratic program, within the joints' position, velocity and acceleration limits. A
spare joint is drawn towards the nominal posture.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydrake.multibody.inverse_kinematics import (
    DifferentialInverseKinematicsParameters,
    DoDifferentialInverseKinematics,
)

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.arm import ArmConfig
from pushcell.geometry import Array, Pose
from pushcell.motion.filter import TipState

# Share of the remaining error that one second corrects, and how fast it may at most.
_CORRECTION_RATE = 10.0
_CORRECTION_M_S = 0.05
_CORRECTION_RAD_S = 0.3
_POSTURE_RATE = 1.0


class DifferentialIk:
    """Integrates the commanded joints, a tick of ``period_s`` at a time."""

    def __init__(
        self, kinematics: ArmKinematics, arm: ArmConfig, period_s: float, q_measured: Array
    ) -> None:
        self._kinematics = kinematics
        self._period_s = period_s
        self._parameters = _parameters(kinematics, arm, period_s)
        self.q: Array = np.array(q_measured, dtype=float)
        self.qd: Array = np.zeros(len(self.q))
        self._tip: Pose | None = None  # of q; asked for more than once a tick
        self._target_m: Array = self.tip().translation[:2]

    def tip(self) -> Pose:
        """The commanded tip in the base."""
        if self._tip is None:
            self._tip = self._kinematics.tip_pose(self.q)
        return self._tip

    def step(self, tip: TipState) -> bool:
        """Move the joints one tick along with the tip; False when no joint motion does it."""
        result = DoDifferentialInverseKinematics(
            self.q,
            self.qd,
            self._tip_velocity(tip.position)[self._kinematics.held_twist],
            self._kinematics.tip_jacobian(self.q)[self._kinematics.held_twist],
            self._parameters,
        )
        solved = result.joint_velocities is not None
        qd = result.joint_velocities if solved else self._slowed()
        self.q = self.q + qd * self._period_s
        self.qd = qd
        self._tip = None
        self._target_m = tip.position
        return solved

    def _tip_velocity(self, next_target_m: Array) -> Array:
        """(6,) angular [rad/s] above linear [m/s] velocity wanted of the tip.

        It is what the target does in this tick, and some of what is off since the last one.
        """
        current = self.tip()
        posture = self._kinematics.pusher_posture(self._target_m, current)
        turn = cv2.Rodrigues(posture.rotation @ current.rotation.T)[0].ravel()
        offset = posture.translation - current.translation
        linear = _capped(_CORRECTION_RATE * offset, _CORRECTION_M_S)
        linear[:2] += (next_target_m - self._target_m) / self._period_s
        return np.concatenate([_capped(_CORRECTION_RATE * turn, _CORRECTION_RAD_S), linear])

    def _slowed(self) -> Array:
        """The joint velocities after one tick of braking all joints alike."""
        limits = self._parameters.get_joint_acceleration_limits()[1]
        ticks = np.max(np.abs(self.qd) / (limits * self._period_s), initial=0.0)
        return self.qd * max(0.0, 1.0 - 1.0 / ticks) if ticks > 1 else np.zeros_like(self.qd)


def _parameters(
    kinematics: ArmKinematics, arm: ArmConfig, period_s: float
) -> DifferentialInverseKinematicsParameters:
    joints = len(kinematics.joint_names)
    parameters = DifferentialInverseKinematicsParameters(joints, joints)
    parameters.set_time_step(period_s)
    parameters.set_joint_position_limits((kinematics.lower_rad, kinematics.upper_rad))
    velocity = np.array(arm.joint_velocity_limits_rad_s)
    parameters.set_joint_velocity_limits((-velocity, velocity))
    acceleration = np.array(arm.joint_acceleration_limits_rad_s2)
    parameters.set_joint_acceleration_limits((-acceleration, acceleration))
    parameters.set_nominal_joint_position(np.array(arm.nominal_joints_rad))
    parameters.set_joint_centering_gain(_POSTURE_RATE * np.eye(joints))
    return parameters


def _capped(vector: Array, length: float) -> Array:
    norm = float(np.linalg.norm(vector))
    return vector * (length / norm) if norm > length else vector
