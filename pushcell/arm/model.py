"""The arm and its pusher as Drake sees them, built from the cell's configuration."""

from __future__ import annotations

from importlib.resources import files

from pydrake.geometry import Cylinder, ProximityProperties
from pydrake.math import RigidTransform
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant
from pydrake.multibody.tree import (
    FixedOffsetFrame,
    ModelInstanceIndex,
    RigidBody,
    SpatialInertia,
)

from pushcell.config import CellConfig, PusherConfig

JOINT_NAMES = tuple(f"joint_{number}" for number in range(1, 8))
TIP_FRAME = "pusher_tip"


def add_arm(plant: MultibodyPlant) -> ModelInstanceIndex:
    """The bare arm, its base welded to the origin of the world."""
    urdf = files("pushcell.arm").joinpath("iiwa7.urdf").read_text(encoding="utf-8")
    (arm,) = Parser(plant).AddModelsFromString(urdf, "urdf")
    plant.WeldFrames(plant.world_frame(), plant.GetFrameByName("base", arm))
    return arm


def add_pusher(
    plant: MultibodyPlant, pusher: PusherConfig, contact: ProximityProperties | None = None
) -> RigidBody:
    """A free pusher whose origin is the flange end of its axis; its tip points along +z.

    The frame ``pusher_tip`` lies in the tip. Without ``contact`` the pusher touches nothing.
    """
    length, radius = pusher.length_m, pusher.radius_m
    inertia = SpatialInertia.SolidCylinderWithMassAboutEnd(
        pusher.mass_kg, radius, length, [0, 0, 1]
    )
    body = plant.AddRigidBody("pusher", plant.AddModelInstance("pusher"), inertia)
    plant.AddFrame(FixedOffsetFrame(TIP_FRAME, body.body_frame(), RigidTransform([0, 0, length])))
    if plant.geometry_source_is_registered():
        centre, cylinder = RigidTransform([0, 0, length / 2]), Cylinder(radius, length)
        plant.RegisterVisualGeometry(body, centre, cylinder, "pusher", [*pusher.colour, 1.0])
        if contact is not None:
            plant.RegisterCollisionGeometry(body, centre, cylinder, "pusher_contact", contact)
    return body


def add_arm_with_pusher(
    plant: MultibodyPlant, cell: CellConfig, contact: ProximityProperties | None = None
) -> ModelInstanceIndex:
    """The arm with the pusher welded to link 7, its tip ``pusher.tip_offset_m`` from there."""
    arm = add_arm(plant)
    pusher = add_pusher(plant, cell.pusher, contact)
    offset = RigidTransform([0, 0, cell.pusher.tip_offset_m - cell.pusher.length_m])
    plant.WeldFrames(plant.GetFrameByName("link_7", arm), pusher.body_frame(), offset)
    return arm


def arm_plant(cell: CellConfig) -> MultibodyPlant:
    """A finalized plant of arm and pusher alone, with the cell's joint limits.

    Position limits are the arm's own drawn in by the margin; velocity and acceleration limits
    are the configuration's.
    """
    plant = MultibodyPlant(time_step=0.0)
    add_arm_with_pusher(plant, cell)
    arm = cell.arm
    for index, name in enumerate(JOINT_NAMES):
        joint = plant.GetJointByName(name)
        margin = arm.joint_position_margin_rad
        joint.set_position_limits(
            joint.position_lower_limits() + margin, joint.position_upper_limits() - margin
        )
        velocity = arm.joint_velocity_limits_rad_s[index]
        joint.set_velocity_limits([-velocity], [velocity])
        acceleration = arm.joint_acceleration_limits_rad_s2[index]
        joint.set_acceleration_limits([-acceleration], [acceleration])
    plant.Finalize()
    return plant
