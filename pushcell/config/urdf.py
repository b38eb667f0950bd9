"""Which joints an arm has and what they can do, read from its URDF without a simulator."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from pushcell.config.arm import ArmModelConfig
from pushcell.config.types import FEWEST_JOINTS, MOST_JOINTS
from pushcell.errors import ConfigError
from pushcell.geometry import Array

_TURNING = ("revolute", "continuous")


@dataclass(frozen=True)
class JointLimits:
    """Of the joints from the base link on; a continuous joint's positions are infinite."""

    names: tuple[str, ...]
    position: Array  # (joints, 2) lowest and highest [rad]
    speed: Array  # (joints,) highest [rad/s]


def joint_limits(model: ArmModelConfig) -> JointLimits:
    """The joints between base and tip link, and their limits.

    Raises ConfigError where there is no such chain, where one of its joints slides or has no
    limits or the name of another one, and where there are too few or too many.
    """
    joints = _chain(read_robot(model), model)
    names = tuple(joint.get("name", "") for joint in joints)
    if not FEWEST_JOINTS <= len(names) <= MOST_JOINTS:
        raise ConfigError(
            f"arm.model: {len(names)} joints turn between {model.base_link} and {model.tip_link} "
            f"({', '.join(names)}), allowed: {FEWEST_JOINTS} or {MOST_JOINTS}; name other links as "
            "base_link and tip_link, or make a joint that is never moved fixed in the URDF"
        )
    if len(set(names)) < len(names):
        raise ConfigError(
            f"arm.model: two joints have one name ({', '.join(names)}): give each its own in the "
            "URDF"
        )
    position = [_ends(joint) for joint in joints]
    speed = [_limit(joint, "velocity") for joint in joints]
    return JointLimits(names, np.array(position), np.array(speed))


def read_robot(model: ArmModelConfig) -> ElementTree.Element:
    """The root of the arm's URDF; raises ConfigError."""
    source = model.urdf or files("pushcell").joinpath("arm/iiwa7.urdf")
    try:
        return ElementTree.fromstring(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise ConfigError(f"arm.model.urdf: no arm can be read from {source}: {error}") from None


def _chain(robot: ElementTree.Element, model: ArmModelConfig) -> list[ElementTree.Element]:
    """The joints that move, from the base link on; all of them turn."""
    above = {_link(joint, "child"): joint for joint in robot.iter("joint") if joint.get("type")}
    joints, link = [], model.tip_link
    while link != model.base_link:
        if link not in above:
            links = ", ".join(child.get("name", "") for child in robot.findall("link"))
            raise ConfigError(
                f"arm.model: no joint leads from {model.base_link!r} to {link!r}; give as "
                f"base_link and tip_link two of the URDF's links ({links or 'it has none'}), and "
                "convert a xacro file to a URDF with ROS's xacro first"
            )
        joint = above.pop(link)  # each once: a URDF may be a circle
        if joint.get("type") != "fixed":
            joints.append(joint)
        link = _link(joint, "parent")
    for joint in joints:
        if joint.get("type") not in _TURNING:
            raise ConfigError(
                f"arm.model: joint {joint.get('name')!r} is {joint.get('type')}, allowed: joints "
                "that turn (revolute, continuous); make it fixed in the URDF, where it stays while "
                "the arm pushes"
            )
    return joints[::-1]


def _ends(joint: ElementTree.Element) -> list[float]:
    if joint.get("type") == "continuous":
        return [-np.inf, np.inf]
    return [_limit(joint, "lower"), _limit(joint, "upper")]


def _limit(joint: ElementTree.Element, which: str) -> float:
    limit = joint.find("limit")
    value = None if limit is None else limit.get(which)
    if value is None:
        raise ConfigError(
            f"arm.model: joint {joint.get('name')!r} has no limit {which!r}: write it into the "
            "URDF's <limit>, from the arm's data sheet"
        )
    try:
        number = float(value)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise ConfigError(
            f"arm.model: joint {joint.get('name')!r}: limit {which!r} = {value!r} is no number: "
            "write it into the URDF's <limit>, from the arm's data sheet"
        )
    return number


def _link(joint: ElementTree.Element, which: str) -> str:
    element = joint.find(which)
    return "" if element is None else element.get("link", "")
