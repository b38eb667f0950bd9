"""The section ``arm``: the arm's model, the limits of its joints, and the link to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from pushcell.config.plugins import PLUGIN_PATTERN
from pushcell.config.types import (
    JointNames,
    Joints,
    Name,
    NonNegative,
    Positive,
    PositiveJoints,
    Rate,
    Section,
    Topic,
)


class ArmModelConfig(Section):
    """The arm's kinematics; ``urdf`` is a file beside the cell's, or null for the KUKA iiwa 7."""

    urdf: Path | None
    base_link: Name
    tip_link: Name

    @field_validator("urdf")
    @classmethod
    def _found(cls, urdf: Path | None, info: ValidationInfo) -> Path | None:
        if urdf is None:
            return None
        path = (info.context or {}).get("folder", Path()) / urdf
        if not os.path.isfile(path):  # also for a name that no file can have
            raise ValueError(f"allowed: a URDF file, or null; there is no file {path}")
        return path


class LcmConfig(Section):
    """The link to a KUKA iiwa: Drake's driver protocol, on this host alone.

    With ``port_follows_domain`` the port is moved up with ROS_DOMAIN_ID as DDS's own are, and the
    channels are named after a ROS namespace, so that simulated cells run side by side; a real
    arm's driver is where it is.
    """

    url: Annotated[str, Field(pattern=r"^udpm://[0-9.]+:[0-9]+\?ttl=0$")]
    port_follows_domain: bool
    status_channel: Name
    command_channel: Name


class IiwaLinkConfig(Section):
    """A KUKA iiwa behind Drake's driver."""

    kind: Literal["iiwa"]
    lcm: LcmConfig
    external_torque_limits_nm: PositiveJoints


class PositionsCommandConfig(Section):
    """A forward position controller, which takes positions as they come."""

    kind: Literal["positions"]
    topic: Topic


class TrajectoryCommandConfig(Section):
    """A joint trajectory controller, which gets one point at a time."""

    kind: Literal["trajectory"]
    topic: Topic
    time_from_start_s: Positive


class Ros2ControlLinkConfig(Section):
    """Any arm under ros2_control.

    ``joints`` are the controllers' names, from the base on; null where the URDF has the same.
    """

    kind: Literal["ros2_control"]
    joints: JointNames | None
    state_topic: Topic
    command: Annotated[
        PositionsCommandConfig | TrajectoryCommandConfig, Field(discriminator="kind")
    ]

    @field_validator("joints")
    @classmethod
    def _distinct(cls, joints: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if joints is not None and len(set(joints)) < len(joints):
            raise ValueError("allowed: a different name for each joint")
        return joints

    @field_validator("state_topic")
    @classmethod
    def _not_ours(cls, topic: str) -> str:
        if topic == "/joint_states":
            raise ValueError(
                "this is arm_node's own topic, allowed: any other; the broadcaster's parameter "
                "use_local_topics makes it /joint_state_broadcaster/joint_states"
            )
        return topic


class PluginLinkConfig(Section):
    """A link that this project does not know: a class outside of it, called with the options."""

    kind: Literal["plugin"]
    driver: Annotated[str, Field(pattern=PLUGIN_PATTERN)]
    options: dict[str, JsonValue]


class ArmConfig(Section):
    """The arm, the limits of its joints, and the link to it."""

    model: ArmModelConfig
    status_rate_hz: Rate
    latency_s: NonNegative
    nominal_joints_rad: Joints
    joint_position_margin_rad: NonNegative
    joint_velocity_limits_rad_s: PositiveJoints
    joint_acceleration_limits_rad_s2: PositiveJoints
    joint_jerk_limits_rad_s3: PositiveJoints
    command_silence_s: Positive
    first_command_max_jump_rad: Positive
    following_error_rad: Positive
    link: Annotated[
        IiwaLinkConfig | Ros2ControlLinkConfig | PluginLinkConfig, Field(discriminator="kind")
    ]
