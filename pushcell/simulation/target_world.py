"""The target world without an arm: full contact physics, the pusher on two stiff slides.

What evaluators and demonstration factories run, for it is faster than the whole arm and pushes
the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydrake.geometry import ProximityProperties
from pydrake.math import RigidTransform, RotationMatrix
from pydrake.multibody.plant import MultibodyPlant
from pydrake.multibody.tree import (
    FixedOffsetFrame,
    ModelInstanceIndex,
    PrismaticJoint,
    SpatialInertia,
)

from pushcell.arm.kinematics import STRAIGHT_DOWN
from pushcell.arm.model import add_pusher
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.contact_physics import ContactPhysics
from pushcell.simulation.world import require_apart
from pushcell.task import Task


class TargetWorld:
    """A `PushingWorld` with the cell's table, slider and pusher.

    ``time_step_s`` overrides the configuration's; 0.005 pushes nearly the same at five times
    the speed.
    """

    def __init__(self, cell: CellConfig, time_step_s: float | None = None) -> None:
        def add(plant: MultibodyPlant, contact: ProximityProperties) -> ModelInstanceIndex:
            return _add_slides_and_pusher(plant, cell, contact)

        self._physics = ContactPhysics(cell, add, time_step_s)
        self._task = Task.of(cell.task, cell.pusher.radius_m)
        self.reset(self._task.goal, self._task.pusher_home)

    @property
    def time_s(self) -> float:
        """Simulated seconds since the last reset."""
        return self._physics.time_s

    @property
    def slider_pose(self) -> PlanarPose:
        """The slider's true pose, projected on the table."""
        return self._physics.slider_pose_in_space.planar()

    @property
    def slider_tilt_rad(self) -> float:
        """Angle between the slider's axis and the vertical; 0 while it lies flat."""
        return self._physics.slider_tilt_rad

    @property
    def pusher_position(self) -> Array:
        """(2,) where the pusher's tip really is [m]."""
        return self._physics.positions

    def reset(self, slider: PlanarPose, pusher: ArrayLike) -> None:
        """Put slider and pusher (2,) at rest; raises PushcellError if they overlap."""
        require_apart(self._task, slider, pusher)
        self._physics.reset(slider, pusher)

    def advance(self, pusher_target: ArrayLike, duration_s: float) -> None:
        """Let the pusher move evenly to a position (2,) [m] over a multiple of the time step."""
        self._physics.advance(pusher_target, duration_s)


def _add_slides_and_pusher(
    plant: MultibodyPlant, cell: CellConfig, contact: ProximityProperties
) -> ModelInstanceIndex:
    """The pusher, straight down at working height, on slides along x and y."""
    pusher = add_pusher(plant, cell.pusher, contact)
    instance = pusher.model_instance()
    height = RigidTransform([0, 0, cell.pusher.tip_height_m + cell.pusher.length_m])
    upright = RigidTransform(RotationMatrix(STRAIGHT_DOWN).inverse(), np.zeros(3))
    rail = plant.AddFrame(FixedOffsetFrame("rail", plant.world_frame(), height))
    mount = plant.AddFrame(FixedOffsetFrame("mount", pusher.body_frame(), upright))
    carriage = plant.AddRigidBody(
        "carriage", instance, SpatialInertia.SolidSphereWithMass(cell.pusher.mass_kg, 0.01)
    ).body_frame()
    for joint in (
        PrismaticJoint("slide_x", rail, carriage, [1, 0, 0]),
        PrismaticJoint("slide_y", carriage, mount, [0, 1, 0]),
    ):
        plant.AddJointActuator(joint.name(), plant.AddJoint(joint))
    return instance
