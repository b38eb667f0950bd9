"""The whole cell as one URDF: what ``/robot_description`` holds.

The arm's own URDF, and by fixed joints the pusher with its tip, the cameras' optical frames, the
table and the goal. The slider is not in it: it moves freely.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from pushcell.config.cell import CellConfig
from pushcell.config.urdf import read_robot
from pushcell.geometry import Pose

BASE, TIP, TABLE, GOAL, SLIDER = "base", "pusher_tip", "table", "goal", "slider"
"""Frames by which the poses of messages go; the arm's links keep the names of their URDF."""

_NOWHERE = Pose.from_xyz_rpy([0, 0, 0], [0, 0, 0])
_TABLE_THICKNESS_M = 0.02
_GREY = (0.7, 0.7, 0.7)


def describe(cell: CellConfig, cameras: Mapping[str, tuple[str, Pose]]) -> str:
    """The URDF; ``cameras`` are optical frames, each with the link that carries it and its pose.

    Raises ConfigError where the arm's URDF cannot be read.
    """
    model = cell.arm.model
    robot = read_robot(model)
    base = _with_base(robot, model.base_link)
    carriers = {model.base_link: base}
    _add_pusher(robot, cell, model.tip_link)
    _add_table(robot, cell)
    for frame, (link, pose) in cameras.items():
        _add(robot, carriers.get(link, link), frame, pose)
    _add(robot, BASE, GOAL, Pose.from_planar(cell.task.goal_pose))
    return ElementTree.tostring(robot, encoding="unicode")


def _with_base(robot: ElementTree.Element, base_link: str) -> str:
    """Sees to a link of the name that poses go by; a URDF may have another one of that name."""
    if base_link == BASE:
        return BASE
    for element in robot.iter():
        for key in ("name", "link"):
            if element.tag in ("link", "parent", "child") and element.get(key) == BASE:
                element.set(key, f"{BASE}_of_urdf")
    _add(robot, base_link, BASE, _NOWHERE)
    return BASE


def _add_pusher(robot: ElementTree.Element, cell: CellConfig, tip_link: str) -> None:
    pusher = cell.pusher
    flange = Pose.from_xyz_rpy([0, 0, pusher.tip_offset_m - pusher.length_m], [0, 0, 0])
    link = _add(robot, tip_link, "pusher", flange)
    visual = _visual(link, Pose.from_xyz_rpy([0, 0, pusher.length_m / 2], [0, 0, 0]), pusher.colour)
    size = {"radius": f"{pusher.radius_m:.9g}", "length": f"{pusher.length_m:.9g}"}
    ElementTree.SubElement(visual, "cylinder", size)
    _add(robot, "pusher", TIP, Pose.from_xyz_rpy([0, 0, pusher.length_m], [0, 0, 0]))


def _add_table(robot: ElementTree.Element, cell: CellConfig) -> None:
    x, y = cell.table.centre_m
    link = _add(robot, BASE, TABLE, Pose.from_xyz_rpy([x, y, 0], [0, 0, 0]))
    below = Pose.from_xyz_rpy([0, 0, -_TABLE_THICKNESS_M / 2], [0, 0, 0])
    size = _numbers([*cell.table.size_m, _TABLE_THICKNESS_M])
    ElementTree.SubElement(_visual(link, below, _GREY), "box", {"size": size})


def _add(robot: ElementTree.Element, parent: str, name: str, pose: Pose) -> ElementTree.Element:
    """A link at a pose in another; returns it."""
    link = ElementTree.SubElement(robot, "link", {"name": name})
    fixed = {"name": f"{name}_fixed", "type": "fixed"}
    joint = ElementTree.SubElement(robot, "joint", fixed)
    ElementTree.SubElement(joint, "parent", {"link": parent})
    ElementTree.SubElement(joint, "child", {"link": name})
    _origin(joint, pose)
    return link


def _visual(
    link: ElementTree.Element, pose: Pose, colour: tuple[float, float, float]
) -> ElementTree.Element:
    """The geometry that is still to be filled of what a link looks like."""
    visual = ElementTree.SubElement(link, "visual")
    _origin(visual, pose)
    geometry = ElementTree.SubElement(visual, "geometry")
    material = ElementTree.SubElement(visual, "material", {"name": f"{link.get('name')}_colour"})
    ElementTree.SubElement(material, "color", {"rgba": _numbers([*colour, 1.0])})
    return geometry


def _origin(element: ElementTree.Element, pose: Pose) -> None:
    origin = {"xyz": _numbers(pose.translation), "rpy": _numbers(pose.rpy)}
    ElementTree.SubElement(element, "origin", origin)


def _numbers(values: object) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)  # type: ignore[attr-defined]
