"""Where a ROS package's files and programs are, with or without an installed ROS.

A colcon or system install is found through AMENT_PREFIX_PATH; a package that pip installed is
found as the Python package of the same name, and the files of pushcell's own beside its library.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pushcell import old_names
from pushcell.ament_index import prefixes_with, python_mismatch
from pushcell.ros_release import rclpy_version, refusal
from pushcell.shipped import ROS_PACKAGE, library_share


def find_share(package: str, environment: Mapping[str, str]) -> str:
    """The folder that holds a package's ``launch`` and other data; raises ValueError."""
    for prefix in prefixes_with(package, environment):
        return str(prefix / "share" / package)
    if package == ROS_PACKAGE:
        return str(library_share())
    for folder in _python_folders(package):
        if (folder.parent / "package.xml").is_file():
            return str(folder.parent)
    raise ValueError(
        f"package {package!r} is not installed: source the workspace that contains it,  "
        "or install it with `pip install -e`"
    )


def find_program(package: str, name: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The command that starts a package's executable ``name``; raises ValueError."""
    if importlib.util.find_spec("rclpy") is None:
        raise ValueError(
            "nodes need rclpy: source ROS 2's setup.sh, or pip install 'pushcell[ros]'"
        )
    if problem := refusal(environment, rclpy_version()):
        raise ValueError(problem)
    for needed in ("rclpy", package):
        if mismatch := python_mismatch(needed, environment):
            raise ValueError(": ".join(mismatch))
    if package == ROS_PACKAGE:
        name = old_names.renamed(name, old_names.NODES, f"package {package}")
    known: set[str] = set()
    for folder in _python_folders(package):
        if (folder / f"{name}.py").is_file():
            return (sys.executable, "-m", f"{package}.{name}")
        known |= {path.stem for path in folder.glob("*_node.py")}
    for prefix in prefixes_with(package, environment):
        programs = prefix / "lib" / package
        if os.access(programs / name, os.X_OK):
            return (str(programs / name),)
        known |= {path.name for path in programs.glob("*")}
    if known:
        raise ValueError(f"package {package!r} has no {name!r}; it has {', '.join(sorted(known))}")
    raise ValueError(
        f"package {package!r} is neither a Python package nor in AMENT_PREFIX_PATH: source the "
        "setup.sh of the workspace that contains it"
    )


def _python_folders(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    return [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
