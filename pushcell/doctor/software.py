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

from pushcell.doctor.finding import Finding, bad, good, worth_knowing

_PYTHONS = ((3, 10), (3, 13))
_DISTRO = "jazzy"
_DDS_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def examine() -> Iterator[Finding]:
    """Python, ROS, its middleware, and every extra."""
    yield _python()
    yield _ros()
    yield _middleware()
    yield from _extras()


def _python() -> Finding:
    found, low, high = platform.python_version(), *_PYTHONS
    if low <= sys.version_info[:2] <= high:
        return good("Python", found)
    return bad("Python", found, f"use Python {low[0]}.{low[1]} to {high[0]}.{high[1]}")


def _ros() -> Finding:
    distro = os.environ.get("ROS_DISTRO")
    if distro not in (None, _DISTRO):
        return bad("ROS", f"{distro} is sourced", f"source ROS 2 {_DISTRO} instead")
    if importlib.util.find_spec("rclpy") is None:
        return bad("ROS", "no rclpy", f"source ROS 2 {_DISTRO}, or: pip install 'pushcell[ros]'")
    return good("ROS", f"{_DISTRO}, sourced" if distro else f"{_DISTRO}, from wheels")


def _middleware() -> Finding:
    """Images do not fit into Fast DDS's own shared memory segment."""
    middleware = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if "fastrtps" not in middleware:
        return worth_knowing(
            "DDS", middleware, "launch files are tuned for Fast DDS: unset RMW_IMPLEMENTATION"
        )
    for name in _DDS_VARIABLES:
        profile = os.environ.get(name)
        if profile is not None and not Path(profile).is_file():
            return bad("DDS", f"{name}={profile} is not there", f"unset {name}")
        if profile is not None:
            return worth_knowing("DDS", f"{name} is set", "launch files set their own profile")
    return good("DDS", "Fast DDS; launch files bring its profile")


def _extras() -> Iterator[Finding]:
    """Whether what each extra asks for is installed, in the version asked for."""
    distribution = importlib.metadata.distribution("pushcell")
    requirements = [Requirement(text) for text in distribution.requires or ()]
    for extra in distribution.metadata.get_all("Provides-Extra") or ():
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
