"""The target world with the whole arm: its joints follow positions, its pusher pushes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydrake.geometry import ProximityProperties
from pydrake.multibody.plant import MultibodyPlant
from pydrake.multibody.tree import ModelInstanceIndex

from pushcell.arm.kinematics import ArmKinematics
from pushcell.arm.model import add_arm_with_pusher, moving_joints
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.simulation.contact_physics import ContactPhysics
from pushcell.simulation.world import require_apart
from pushcell.task import Task


class ArmCell:
    """Arm, slider and table; it begins at rest, pusher at home, slider at the goal.

    The arm is free of gravity, as an arm that compensates its own weight appears.
    """

    def __init__(self, cell: CellConfig, time_step_s: float | None = None) -> None:
        def add(plant: MultibodyPlant, contact: ProximityProperties) -> ModelInstanceIndex:
            return _add_weightless_arm(plant, cell, contact)

        self.cell = cell
        self._physics = ContactPhysics(cell, add, time_step_s)
        self._task = Task.of(cell.task, cell.pusher.radius_m)
        self._kinematics = ArmKinematics(cell)
        self._commanded: Array = self._kinematics.home_joints(self._task.pusher_home)
        self.reset(self._task.goal, self._commanded)

    @property
    def time_step_s(self) -> float:
        """The physics' time step."""
        return self._physics.time_step_s

    @property
    def time_s(self) -> float:
        """Simulated seconds since the last reset."""
        return self._physics.time_s

    @property
    def slider_pose(self) -> PlanarPose:
        """The slider's true pose, projected on the table."""
        return self._physics.slider_pose_in_space.planar()

    @property
    def slider_pose_in_space(self) -> Pose:
        """The slider's true pose."""
        return self._physics.slider_pose_in_space

    @property
    def joint_names(self) -> tuple[str, ...]:
        """From the base on, as the arm's URDF has them."""
        return self._kinematics.joint_names

    @property
    def joint_positions(self) -> Array:
        """(n,) true joint positions [rad]."""
        return self._physics.positions

    @property
    def joint_velocities(self) -> Array:
        """(n,) true joint velocities [rad/s]."""
        return self._physics.velocities

    @property
    def joint_torques(self) -> Array:
        """(n,) what the joints' drives exerted in the last step [Nm]."""
        return self._physics.servo_torques

    @property
    def contact_torques(self) -> Array:
        """(n,) what contact exerted on the joints in the last step [Nm]."""
        return self._physics.contact_torques

    @property
    def commanded_joints(self) -> Array:
        """(n,) the joint positions last commanded [rad]."""
        return self._commanded

    @property
    def interpolated_joints(self) -> Array:
        """(n,) how far the drives' target has come on its way to the commanded joints [rad]."""
        return self._physics.target

    @property
    def joint_limits_rad(self) -> tuple[Array, Array]:
        """Lower and upper ends (n,) of the joints."""
        return self._physics.position_limits

    @property
    def joint_speed_limits_rad_s(self) -> Array:
        """(n,) the highest speed of each joint."""
        return self._physics.velocity_limits

    @property
    def tip_pose(self) -> Pose:
        """The pusher's tip in the base."""
        return self._kinematics.tip_pose(self.joint_positions)

    def reset(self, slider: PlanarPose, joints: ArrayLike) -> None:
        """Slider and arm (n,) at rest at time 0; raises PushcellError if they overlap."""
        self._commanded = np.array(joints, dtype=float)
        tip = self._kinematics.tip_pose(self._commanded)
        require_apart(self._task, slider, tip.translation[:2])
        self._physics.reset(slider, self._commanded)

    def place_slider(self, pose: PlanarPose) -> None:
        """Put the slider flat and at rest on the table; raises PushcellError under the pusher."""
        require_apart(self._task, pose, self.tip_pose.translation[:2])
        self._physics.place_slider(pose)

    def command_joints(self, joints: ArrayLike) -> None:
        """The positions (n,) [rad] that the joints reach for from the next advance on."""
        self._commanded = np.array(joints, dtype=float)

    def advance(self, duration_s: float) -> None:
        """Let time pass, a multiple of the time step; the drives reach their target at its end."""
        self._physics.advance(self._commanded, duration_s)


def _drive_every_joint(plant: MultibodyPlant, arm: ModelInstanceIndex) -> None:
    """Few URDFs say of their joints that they are driven (by transmissions)."""
    actuators = map(plant.get_joint_actuator, plant.GetJointActuatorIndices())
    driven = {actuator.joint().name() for actuator in actuators}
    for joint in moving_joints(plant, arm):
        if joint.name() not in driven:
            plant.AddJointActuator(joint.name(), joint)


def _add_weightless_arm(
    plant: MultibodyPlant, cell: CellConfig, contact: ProximityProperties
) -> ModelInstanceIndex:
    arm = add_arm_with_pusher(plant, cell, contact)
    _drive_every_joint(plant, arm)
    for instance in (arm, plant.GetModelInstanceByName("pusher")):
        plant.set_gravity_enabled(instance, False)
    return arm
