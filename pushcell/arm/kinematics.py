"""Where the pusher's tip is for given joints, and the joints that bring it to a pose.

``q`` is (n,) joint positions [rad], n = 6 or 7; poses are of the tip in the base frame. The tip's z
axis points out of the pusher; in working posture that is straight down.
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
from pushcell.config.urdf import joint_limits
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
        self.joint_names = joint_limits(cell.arm.model).names
        self.lower_rad: Array = self.plant.GetPositionLowerLimits()
        self.upper_rad: Array = self.plant.GetPositionUpperLimits()
        self._context = self.plant.CreateDefaultContext()
        self._tip = self.plant.GetFrameByName(TIP_FRAME)
        self._tip_height_m = cell.pusher.tip_height_m
        self._working_rotation = _straight_down(cell.pusher.tip_yaw_rad)
        self._yaw_free = cell.pusher.tip_yaw_free
        # Which components of the tip's twist, angular above linear, the working posture fixes.
        self.held_twist = [0, 1, 3, 4, 5] if self._yaw_free else [0, 1, 2, 3, 4, 5]
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
        """(6, n): angular [rad/s] above linear [m/s] velocity of the tip per joint [rad/s]."""
        self.plant.SetPositions(self._context, np.asarray(q, dtype=float))
        world = self.plant.world_frame()
        return self.plant.CalcJacobianSpatialVelocity(
            self._context, JacobianWrtVariable.kV, self._tip, np.zeros(3), world, world
        )

    def pusher_posture(self, xy: ArrayLike, tip: Pose | None = None) -> Pose:
        """The tip at (2,) x, y [m], at working height, straight down.

        Where its yaw is free that is the yaw of ``tip``, if given.
        """
        x, y = np.asarray(xy, dtype=float)
        rotation = self._working_rotation
        if self._yaw_free and tip is not None:
            rotation = _straight_down(math.atan2(tip.rotation[1, 0], tip.rotation[0, 0]))
        return Pose(np.array([x, y, self._tip_height_m]), rotation)

    def home_joints(self, xy: ArrayLike) -> Array:
        """The joints nearest to the nominal ones with the tip at (2,) x, y in working posture."""
        return self._solve(self.pusher_posture(xy), self._nominal, self._yaw_free)

    def solve(self, target: Pose, q_seed: ArrayLike) -> Array:
        """The joints (n,) nearest to the seed that bring the tip to a pose, inside the limits.

        Raises PlanningError, saying how near the tip can come, when none is found.
        """
        return self._solve(target, q_seed, yaw_free=False)

    def _solve(self, target: Pose, q_seed: ArrayLike, yaw_free: bool) -> Array:
        seed = np.clip(np.asarray(q_seed, dtype=float), self.lower_rad, self.upper_rad)
        problem = InverseKinematics(self.plant)
        free = math.inf
        constraints: list[tuple[list[float], list[float], list[float]]] = [
            ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
            ([0, 0, _LEVER_M], [0, 0, 0], [0, 0, free]),
        ]
        if not yaw_free:
            constraints.append(([_LEVER_M, 0, 0], [0, 0, -free], [free, 0, free]))
        for point, lower, upper in constraints:
            problem.AddPositionConstraint(
                self._tip, point, self.plant.world_frame(), to_drake(target), lower, upper
            )
        problem.prog().AddQuadraticErrorCost(np.eye(len(seed)), seed, problem.q())
        result = SnoptSolver().Solve(problem.prog(), seed)
        if not result.is_success():
            self._refuse(target, seed)
        return np.clip(result.GetSolution(problem.q()), self.lower_rad, self.upper_rad)

    def follow(self, target: Pose, q: ArrayLike) -> Array:
        """The joints (n,) that bring the tip to a pose near where it is at ``q``.

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
            try:
                joints = joints + jacobian.T @ np.linalg.solve(jacobian @ jacobian.T, off)
            except np.linalg.LinAlgError:
                break  # stretched out or folded up, from where Newton knows no way
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


def _straight_down(yaw_rad: float) -> Array:
    return Pose.from_xyz_rpy([0, 0, 0], [math.pi, 0, yaw_rad]).rotation
