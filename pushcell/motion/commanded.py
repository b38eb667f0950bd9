"""The commanded arm: the filtered motion of the tip and the joints that carry it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushcell.arm.frozen_reports import FrozenReports
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig
from pushcell.config.motion import MotionLimits
from pushcell.geometry import Array
from pushcell.motion.differential_ik import DifferentialIk
from pushcell.motion.filter import CommandFilter
from pushcell.motion.reasons import Reason
from pushcell.motion.sources import Reference

# How far the commanded joints' tip may trail behind the filter's [m].
_TIP_ERROR_M = 0.01


@dataclass(frozen=True)
class JointTarget:
    """What goes to the arm: (n,) positions [rad] and velocities [rad/s]."""

    position: Array
    velocity: Array


class CommandedArm:
    """Starts from measured joints; moves one tick at a time."""

    def __init__(self, cell: CellConfig, kinematics: ArmKinematics, q_measured: Array) -> None:
        period_s = cell.motion.tick_s
        workspace = cell.workspace.polygon.inset(cell.workspace.margin_m)
        start = kinematics.tip_pose(q_measured).translation[:2]
        self.inside_workspace = bool(workspace.contains(start))
        self._max_following_error_rad = cell.motion.following_error_rad
        self._filter = CommandFilter(workspace, cell.motion.stop, period_s, start)
        self._ik = DifferentialIk(kinematics, cell.arm, period_s, q_measured)
        self._frozen = FrozenReports(period_s, cell.arm.latency_s)
        self._solved = True

    @property
    def tip(self) -> Array:
        """(2,) commanded position of the tip [m]."""
        return self._filter.state.position

    @property
    def unsolved(self) -> int:
        """How often no motion towards the target was found and it braked instead."""
        return self._filter.unsolved

    @property
    def still(self) -> bool:
        """Whether the commanded tip is at rest."""
        return self._filter.state.still

    def problem(self, q_measured: Array) -> Reason | None:
        """Why this arm cannot be moved on, if it cannot."""
        if np.abs(self._ik.q - q_measured).max() > self._max_following_error_rad:
            return Reason.ARM_OFF_COMMAND
        if self._frozen.seen(q_measured, self._ik.q):
            return Reason.ARM_FROZEN
        trailing = np.linalg.norm(self._ik.tip().translation[:2] - self.tip)
        if not self._solved or trailing > _TIP_ERROR_M:
            return Reason.NO_JOINT_MOTION
        return None

    def move(self, reference: Reference | None, limits: MotionLimits) -> JointTarget:
        """One tick towards a reference, or of a stop."""
        if reference is None:
            self._filter.brake()
        else:
            self._filter.follow(reference.position, reference.velocity, limits)
        self._solved = self._ik.step(self._filter.state)
        return JointTarget(self._ik.q, self._ik.qd)
