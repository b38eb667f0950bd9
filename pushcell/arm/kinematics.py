"""Where the pusher's tip is for given joints, and the joints that bring it to a pose.

``q`` is (7,) joint positions [rad]; poses are of the tip in the base frame. The tip's z axis
points out of the pusher; in working posture that is straight down.
"""

from __future__ import annotations

import math
from typing import NoReturn

import cv2
import numpy as np
from numpy.typing import ArrayLike
from pydrake.math import RotationMatrix
from pydrake.multibody.inverse_kinematics import InverseKinematics
from pydrake.multibody.tree import JacobianWrtVariable
from pydrake.solvers import SnoptSolver

from pushcell.arm.drake_pose import from_drake, to_drake
from pushcell.arm.model import TIP_FRAME, arm_plant
from pushcell.config.cell import CellConfig
from pushcell.errors import PlanningError
from pushcell.geometry import Array, Pose

STRAIGHT_DOWN = np.diag([1.0, -1.0, -1.0])

# The orientation is constrained by points at this distance from the tip on its axes: unlike
# the angle itself, whose cosine is flat at zero, they are exact to the solver's tolerance.
_LEVER_M = 0.1
_NEAR_RAD = 0.01

_MOST_NEWTON_STEPS = 8
_CLOSE = 1e-7  # [m] and [rad]


class ArmKinematics:
    """Forward and inverse kinematics of the arm with its pusher."""

    def __init__(self, cell: CellConfig) -> None:
        self.plant = arm_plant(cell)
        self.lower_rad: Array = self.plant.GetPositionLowerLimits()
        self.upper_rad: Array = self.plant.GetPositionUpperLimits()
        self._context = self.plant.CreateDefaultContext()
        self._tip = self.plant.GetFrameByName(TIP_FRAME)
        self._tip_height_m = cell.pusher.tip_height_m
        down = Pose.from_xyz_rpy([0, 0, 0], [math.pi, 0, cell.pusher.tip_yaw_rad])
        self._working_rotation = down.rotation
        self._nominal = np.array(cell.arm.nominal_joints_rad)

    def tip_pose(self, q: ArrayLike) -> Pose:
        """The tip in the base."""
        self.plant.SetPositions(self._context, np.asarray(q, dtype=float))
        return from_drake(self._tip.CalcPoseInWorld(self._context))

    def link_pose(self, q: ArrayLike, link: str) -> Pose:
        """A link of the arm's model in the base."""
        self.plant.SetPositions(self._context, np.asarray(q, dtype=float))
        return from_drake(self.plant.GetFrameByName(link).CalcPoseInWorld(self._context))

    def tip_jacobian(self, q: ArrayLike) -> Array:
        """(6, 7): angular [rad/s] above linear [m/s] velocity of the tip per joint [rad/s]."""
        self.plant.SetPositions(self._context, np.asarray(q, dtype=float))
        world = self.plant.world_frame()
        return self.plant.CalcJacobianSpatialVelocity(
            self._context, JacobianWrtVariable.kV, self._tip, np.zeros(3), world, world
        )

    def pusher_posture(self, xy: ArrayLike) -> Pose:
        """The tip at (2,) x, y [m], at working height, straight down."""
        x, y = np.asarray(xy, dtype=float)
        return Pose(np.array([x, y, self._tip_height_m]), self._working_rotation)

    def home_joints(self, xy: ArrayLike) -> Array:
        """The joints nearest to the nominal ones with the tip at (2,) x, y in working posture."""
        return self.solve(self.pusher_posture(xy), self._nominal)

    def solve(self, target: Pose, q_seed: ArrayLike) -> Array:
        """The joints (7,) nearest to the seed that bring the tip to a pose, inside the limits.

        Raises PlanningError, saying how near the tip can come, when none is found.
        """
        seed = np.clip(np.asarray(q_seed, dtype=float), self.lower_rad, self.upper_rad)
        problem = InverseKinematics(self.plant)
        free = math.inf
        for point, lower, upper in (
            ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
            ([0, 0, _LEVER_M], [0, 0, 0], [0, 0, free]),
            ([_LEVER_M, 0, 0], [0, 0, -free], [free, 0, free]),
        ):
            problem.AddPositionConstraint(
                self._tip, point, self.plant.world_frame(), to_drake(target), lower, upper
            )
        problem.prog().AddQuadraticErrorCost(np.eye(7), seed, problem.q())
        result = SnoptSolver().Solve(problem.prog(), seed)
        if not result.is_success():
            self._refuse(target, seed)
        return np.clip(result.GetSolution(problem.q()), self.lower_rad, self.upper_rad)

    def follow(self, target: Pose, q: ArrayLike) -> Array:
        """The joints (7,) that bring the tip to a pose near where it is at ``q``.

        A few Newton steps, five times as quick as `solve`, which is asked where they lead out of
        the limits or nowhere; raises PlanningError as that does.
        """
        joints = np.asarray(q, dtype=float)
        for _ in range(_MOST_NEWTON_STEPS):
            tip = self.tip_pose(joints)
            turn = cv2.Rodrigues(target.rotation @ tip.rotation.T)[0].ravel()
            off = np.concatenate([turn, target.translation - tip.translation])
            if np.abs(off).max() < _CLOSE:
                if ((joints < self.lower_rad) | (joints > self.upper_rad)).any():
                    break
                return joints
            jacobian = self.tip_jacobian(joints)
            joints = joints + jacobian.T @ np.linalg.solve(jacobian @ jacobian.T, off)
        return self.solve(target, q)

    def _refuse(self, target: Pose, seed: Array) -> NoReturn:
        """Raise, with the distance at which the tip stays when it only comes near."""
        world = self.plant.world_frame()
        problem = InverseKinematics(self.plant)
        problem.AddOrientationConstraint(
            world, to_drake(target).rotation(), self._tip, RotationMatrix(), _NEAR_RAD
        )
        problem.AddPositionCost(world, target.translation, self._tip, np.zeros(3), np.eye(3))
        result = SnoptSolver().Solve(problem.prog(), seed)
        nearest = self.tip_pose(result.GetSolution(problem.q())).translation
        miss_mm = 1e3 * np.linalg.norm(nearest - target.translation)
        wanted = ", ".join(f"{value:.3f}" for value in target.translation)
        raise PlanningError(
            f"the arm cannot bring the pusher's tip to ({wanted}) m in the wanted orientation "
            f"within its joint limits (nearest found: {miss_mm:.1f} mm off): "
            "choose a nearer target or another start posture"
        )
