"""The ends of an arm's joints, read from its URDF without a simulator."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from importlib.resources import files

import numpy as np

from pushcell.config_arm import ArmModelConfig
from pushcell.errors import ConfigError
from pushcell.geometry import Array


def joint_position_limits(model: ArmModelConfig) -> Array:
    """(joints, 2) lowest and highest position [rad], from the base link on."""
    source = model.urdf or files("pushcell.arm").joinpath("iiwa7.urdf")
    robot = ElementTree.fromstring(source.read_text(encoding="utf-8"))
    above = {_link(joint, "child"): joint for joint in robot.iter("joint") if joint.get("type")}
    limits, link = [], model.tip_link
    while link != model.base_link:
        if link not in above:
            raise ConfigError(f"arm.model: no joint leads from {model.base_link!r} to {link!r}")
        joint = above[link]
        limit = joint.find("limit")
        if joint.get("type") == "revolute" and limit is not None:
            limits.append([float(limit.get(end, "nan")) for end in ("lower", "upper")])
        elif joint.get("type") == "continuous":
            limits.append([-np.inf, np.inf])
        link = _link(joint, "parent")
    return np.array(limits[::-1])


def _link(joint: ElementTree.Element, which: str) -> str:
    element = joint.find(which)
    return "" if element is None else element.get("link", "")
