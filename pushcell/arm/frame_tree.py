"""Where every link of a URDF is: what ROS's robot_state_publisher tells, without ROS."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from pushcell.errors import ConfigError
from pushcell.geometry import Array, Pose

_TURNING = ("revolute", "continuous")


@dataclass(frozen=True)
class ArmFrame:
    """One frame, by its pose in another."""

    parent: str
    child: str
    pose: Pose


@dataclass(frozen=True)
class _Joint:
    name: str
    kind: str
    at_zero: ArmFrame
    axis: Array  # (3,) of length 1, in the child

    def moved(self, position: float) -> ArmFrame:
        """The child where the joint is at a position [rad] or [m]."""
        if self.kind in _TURNING:
            move = Pose(np.zeros(3), Rotation.from_rotvec(position * self.axis).as_matrix())
        else:
            move = Pose(position * self.axis, np.eye(3))
        zero = self.at_zero
        return ArmFrame(zero.parent, zero.child, zero.pose @ move)


class FrameTree:
    """The joints of a URDF: ``fixed`` ones, told once, and those that move."""

    def __init__(self, urdf: str) -> None:
        try:
            joints = [_joint(element) for element in ElementTree.fromstring(urdf).findall("joint")]
        except (ElementTree.ParseError, ValueError, KeyError, AttributeError) as error:
            raise ConfigError(f"a joint of the URDF cannot be read ({error!r})") from None
        self.fixed = [joint.at_zero for joint in joints if joint.kind == "fixed"]
        self._moving = [joint for joint in joints if joint.kind != "fixed"]

    def moving(self, positions: Mapping[str, float]) -> list[ArmFrame]:
        """The frames behind moving joints at positions [rad, m] by their names.

        A joint that is not named is where it is at zero.
        """
        return [joint.moved(positions.get(joint.name, 0.0)) for joint in self._moving]


def _joint(element: ElementTree.Element) -> _Joint:
    origin, axis = element.find("origin"), element.find("axis")
    said = {} if origin is None else dict(origin.attrib)
    pose = Pose.from_xyz_rpy(_vector(said.get("xyz", "0 0 0")), _vector(said.get("rpy", "0 0 0")))
    along = np.array([1.0, 0, 0]) if axis is None else _vector(axis.attrib["xyz"])
    frame = ArmFrame(_link(element, "parent"), _link(element, "child"), pose)
    along = along / np.linalg.norm(along)
    return _Joint(element.attrib["name"], element.attrib["type"], frame, along)


def _link(element: ElementTree.Element, which: str) -> str:
    found = element.find(which)
    if found is None:
        raise ValueError(f"joint {element.get('name')!r} has no {which}")
    return found.attrib["link"]


def _vector(text: str) -> Array:
    return np.array([float(word) for word in text.split()]).reshape(3)
