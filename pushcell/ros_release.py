"""The releases of ROS 2 that the nodes run on, and what differs between them.

Messages do not: the definitions and type hashes of all types that are used are the same in both,
which a test checks. The events executor has one name in both (``base_node.py``).
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """One release: the first number of its rclpy's version, and the extra that has its wheels."""

    name: str
    rclpy: int
    extra: str
    profile_variable: str  # where its Fast DDS looks for the XML profile


JAZZY = Release("jazzy", 7, "ros", "FASTRTPS_DEFAULT_PROFILES_FILE")
KILTED = Release("kilted", 9, "ros-kilted", "FASTDDS_DEFAULT_PROFILES_FILE")
RELEASES = (JAZZY, KILTED)
_OTHERS = {1: "foxy", 3: "humble", 4: "iron", 10: "lyrical"}


def rclpy_version() -> str | None:
    """Of the rclpy that this Python has; None where it has none, or one that does not tell."""
    try:
        return importlib.metadata.version("rclpy")
    except importlib.metadata.PackageNotFoundError:
        return None


def release_name(environment: Mapping[str, str], version: str | None) -> str | None:
    """The name of the release: of the one that is sourced, else by its rclpy's version."""
    sourced = environment.get("ROS_DISTRO")
    if sourced or version is None:
        return sourced or None
    known = {release.rclpy: release.name for release in RELEASES} | _OTHERS
    number = version.partition(".")[0]
    return known.get(int(number)) if number.isdecimal() else None


def refusal(environment: Mapping[str, str], version: str | None) -> str | None:
    """Why the nodes do not run on this ROS 2, and what to do; None where they do.

    A newer or unknown release is not refused: nothing is known against it.
    """
    name = release_name(environment, version)
    told = " and ".join(release.name for release in RELEASES)
    if name in {old for number, old in _OTHERS.items() if number < JAZZY.rclpy}:
        return (
            f"this is ROS 2 {name}, the nodes run on {told}: source one of those, or take a Python "
            f"without ROS and pip install 'pushcell[{JAZZY.extra}]'"
        )
    return None
