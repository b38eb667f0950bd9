"""What an arm's joints can do, read from its URDF without a simulator."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from pushcell.config.arm import ArmModelConfig
from pushcell.errors import ConfigError
from pushcell.geometry import Array


@dataclass(frozen=True)
class JointLimits:
    """Of the joints from the base link on; infinite where the URDF gives no limit."""

    position: Array  # (joints, 2) lowest and highest [rad]
    speed: Array  # (joints,) highest [rad/s]


def joint_limits(model: ArmModelConfig) -> JointLimits:
    """The limits of the joints between base and tip link; raises ConfigError where there is no
    such chain."""
    joints = turning_joints(read_robot(model), model)
    try:
        position = [_ends(joint) for joint in joints]
        speed = [_limit(joint, "velocity", "inf") for joint in joints]
    except ValueError as error:
        raise ConfigError(f"arm.model: a joint's limit is no number ({error})") from None
    return JointLimits(np.array(position).reshape(-1, 2), np.array(speed))


def read_robot(model: ArmModelConfig) -> ElementTree.Element:
    """The root of the arm's URDF; raises ConfigError."""
    source = model.urdf or files("pushcell").joinpath("arm/iiwa7.urdf")
    try:
        return ElementTree.fromstring(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise ConfigError(f"arm.model.urdf: no arm can be read from {source}: {error}") from None


def turning_joints(robot: ElementTree.Element, model: ArmModelConfig) -> list[ElementTree.Element]:
    """Those between base and tip link, from the base on; raises ConfigError for no such chain."""
    above = {_link(joint, "child"): joint for joint in robot.iter("joint") if joint.get("type")}
    joints, link = [], model.tip_link
    while link != model.base_link:
        if link not in above:
            raise ConfigError(f"arm.model: no joint leads from {model.base_link!r} to {link!r}")
        joint = above.pop(link)  # each once: a URDF may be a circle
        if joint.get("type") in ("revolute", "continuous"):
            joints.append(joint)
        link = _link(joint, "parent")
    return joints[::-1]


def _ends(joint: ElementTree.Element) -> list[float]:
    if joint.get("type") == "continuous":
        return [-np.inf, np.inf]
    return [_limit(joint, "lower", "nan"), _limit(joint, "upper", "nan")]


def _limit(joint: ElementTree.Element, name: str, otherwise: str) -> float:
    limit = joint.find("limit")
    return float(otherwise if limit is None else limit.get(name, otherwise))


def _link(joint: ElementTree.Element, which: str) -> str:
    element = joint.find(which)
    return "" if element is None else element.get("link", "")
