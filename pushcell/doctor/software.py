"""Python, ROS and the packages that the parts of pushcell need."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from pushcell.ament_index import prefixes_with, python_mismatch
from pushcell.doctor.finding import DoctorFinding, bad, good, worth_knowing
from pushcell.ros_release import (
    JAZZY,
    RELEASES,
    rclpy_version,
    refusal,
    release_name,
)
from pushcell.shipped import ROS_PACKAGE, library_share

_PYTHONS = ((3, 10), (3, 13))
_NAMES = " or ".join(release.name for release in RELEASES)


def examine() -> Iterator[DoctorFinding]:
    """Python, ROS, the workspace, the middleware, and every extra."""
    yield _python()
    yield _ros()
    yield _workspace(library_share() / "ros2_ws")
    yield _middleware()
    yield from _extras()


def _python() -> DoctorFinding:
    found, low, high = platform.python_version(), *_PYTHONS
    if low <= sys.version_info[:2] <= high:
        return good("Python", found)
    return bad("Python", found, f"use Python {low[0]}.{low[1]} to {high[0]}.{high[1]}")


def _ros() -> DoctorFinding:
    distro, version = os.environ.get("ROS_DISTRO"), rclpy_version()
    name = release_name(os.environ, version)
    if refusal(os.environ, version):
        found = f"{name} is sourced" if distro else f"rclpy {version} of {name}"
        return bad("ROS", found, f"source ROS 2 {_NAMES} instead")
    if importlib.util.find_spec("rclpy") is None:
        return bad("ROS", "no rclpy", f"source ROS 2 {_NAMES}, or: pip install 'pushcell[ros]'")
    if problem := python_mismatch("rclpy", os.environ):
        return bad("ROS", *problem)
    where = f"{name or version}, {'sourced' if distro else 'from wheels'}"
    if name not in {release.name for release in RELEASES}:
        return worth_knowing("ROS", where, f"nodes have been run on {_NAMES}")
    return good("ROS", where)


def _workspace(beside: Path) -> DoctorFinding:
    """What ``ros2 launch`` needs and colcon builds; ``beside`` is the checkout's workspace."""
    if problem := python_mismatch(ROS_PACKAGE, os.environ):
        return bad("workspace", *problem)
    for prefix in prefixes_with(ROS_PACKAGE, os.environ):
        return good("workspace", f"{prefix} is sourced")
    setup = beside / "install/setup.sh"
    if setup.is_file():
        return worth_knowing("workspace", "built, not sourced", f"for ros2 launch: . {setup}")
    return good("workspace", "none is sourced; pushcell launch needs none")


def _middleware() -> DoctorFinding:
    """Images do not fit into Fast DDS's own shared memory segment."""
    middleware = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if "fastrtps" not in middleware:
        return worth_knowing(
            "DDS", middleware, "launch files are tuned for Fast DDS: unset RMW_IMPLEMENTATION"
        )
    for name in (release.profile_variable for release in RELEASES):
        profile = os.environ.get(name)
        if profile is not None and not Path(profile).is_file():
            return bad("DDS", f"{name}={profile} is not there", f"unset {name}")
        if profile is not None:
            return worth_knowing("DDS", f"{name} is set", "launch files set their own profile")
    return good("DDS", "Fast DDS; launch files bring its profile")


def _extras() -> Iterator[DoctorFinding]:
    """Whether what each extra asks for is installed, in the version asked for."""
    distribution = importlib.metadata.distribution("pushcell")
    requirements = [Requirement(text) for text in distribution.requires or ()]
    release = release_name(os.environ, rclpy_version()) or JAZZY.name
    others = {other.extra for other in RELEASES if other.name != release}
    for extra in distribution.metadata.get_all("Provides-Extra") or ():
        if extra in others:
            continue  # of another ROS
        wanted = [
            requirement
            for requirement in requirements
            if requirement.marker is not None
            and requirement.marker.evaluate({"extra": extra})
            and not requirement.marker.evaluate({"extra": ""})
            and requirement.name != "pushcell"
        ]
        problems = [problem for problem in map(_problem, wanted) if problem]
        what = f"pushcell[{extra}]"
        if problems:
            yield worth_knowing(what, "; ".join(problems), f"pip install '{what}'")
        else:
            yield good(what, f"{len(wanted)} packages")


def _problem(requirement: Requirement) -> str:
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} {version} is not {requirement.specifier}"
