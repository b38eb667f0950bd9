"""The arm and its pusher as Drake sees them, built from the cell's configuration."""

from __future__ import annotations

from importlib.resources import files

from pydrake.geometry import Cylinder, ProximityProperties
from pydrake.math import RigidTransform
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant
from pydrake.multibody.tree import (
    FixedOffsetFrame,
    Joint,
    ModelInstanceIndex,
    RigidBody,
    SpatialInertia,
)

from pushcell.arm.description import TIP as TIP_FRAME
from pushcell.config.arm import ArmModelConfig
from pushcell.config.cell import CellConfig, PusherConfig
from pushcell.config.urdf import joint_limits
from pushcell.errors import ConfigError


def add_arm(plant: MultibodyPlant, model: ArmModelConfig) -> ModelInstanceIndex:
    """The bare arm, its base welded to the origin of the world.

    Raises ConfigError when the model is not that of an arm whose joints all turn.
    """
    arm = _parsed(plant, model)
    for link in (model.base_link, model.tip_link):
        if not plant.HasBodyNamed(link, arm):
            known = ", ".join(plant.get_body(i).name() for i in plant.GetBodyIndices(arm))
            raise ConfigError(f"arm.model: there is no link {link!r}, allowed: {known}")
    names = joint_limits(model).names
    moving = [joint.name() for joint in moving_joints(plant, arm)]
    others = [name for name in moving if name not in names]
    if others:
        raise ConfigError(
            f"arm.model: joints move that are not between {model.base_link} and {model.tip_link} "
            f"({', '.join(others)}): make them fixed in the URDF, such as those of a gripper"
        )
    plant.WeldFrames(plant.world_frame(), plant.GetFrameByName(model.base_link, arm))
    return arm


def _parsed(plant: MultibodyPlant, model: ArmModelConfig) -> ModelInstanceIndex:
    source = model.urdf or files("pushcell.arm").joinpath("iiwa7.urdf")
    try:
        (arm,) = Parser(plant).AddModelsFromString(source.read_text(encoding="utf-8"), "urdf")
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"arm.model.urdf: no arm can be read from {source}: {error}") from None
    return arm


def moving_joints(plant: MultibodyPlant, arm: ModelInstanceIndex) -> list[Joint]:
    """Those of one degree of freedom, in the order of the URDF."""
    joints = [plant.get_joint(index) for index in plant.GetJointIndices(arm)]
    return [joint for joint in joints if joint.num_velocities() == 1]


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
    """The arm with the pusher welded to its tip link, as far out as the configuration says."""
    arm = add_arm(plant, cell.arm.model)
    pusher = add_pusher(plant, cell.pusher, contact)
    offset = RigidTransform([0, 0, cell.pusher.tip_offset_m - cell.pusher.length_m])
    tip_link = plant.GetFrameByName(cell.arm.model.tip_link, arm)
    plant.WeldFrames(tip_link, pusher.body_frame(), offset)
    return arm


def arm_plant(cell: CellConfig) -> MultibodyPlant:
    """A finalized plant of arm and pusher alone, with the cell's joint limits.

    Position limits are the arm's own drawn in by the margin; velocity and acceleration limits
    are the configuration's.
    """
    plant = MultibodyPlant(time_step=0.0)
    model, arm = add_arm_with_pusher(plant, cell), cell.arm
    plant.Finalize()
    for joint in moving_joints(plant, model):
        index = joint.position_start()
        margin = arm.joint_position_margin_rad
        joint.set_position_limits(
            joint.position_lower_limits() + margin, joint.position_upper_limits() - margin
        )
        velocity = arm.joint_velocity_limits_rad_s[index]
        joint.set_velocity_limits([-velocity], [velocity])
        acceleration = arm.joint_acceleration_limits_rad_s2[index]
        joint.set_acceleration_limits([-acceleration], [acceleration])
    return plant
