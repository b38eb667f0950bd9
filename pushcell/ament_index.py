"""The ament index: which packages the sourced ROS workspaces hold, and for which Python.

ROS keeps the workspaces that are sourced in the environment variable AMENT_PREFIX_PATH. Each is a
folder, a prefix, that has an empty file by the name of each of its packages.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_MARKERS = Path("share/ament_index/resource_index/packages")


def prefixes_with(package: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """The sourced prefixes that hold a package, the one that comes first wins."""
    for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix and (Path(prefix) / _MARKERS / package).is_file():
            yield Path(prefix)


def python_mismatch(package: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Why this Python cannot run a package of a sourced workspace, and what to do; else None.

    A workspace holds Python packages under the version it was built with, such as
    ``lib/python3.12/site-packages``; programs of another version do not look there.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    prefix = next(prefixes_with(package, environment), None)
    built = _python_versions(prefix) if prefix is not None else []
    if not built or running in built:
        return None
    return (
        f"{package} in {prefix} was built with Python {' and '.join(built)}, this is Python "
        f"{running} ({sys.executable})",
        f"use Python {built[-1]}, or build that workspace again: {sys.executable} -m colcon build",
    )


def _python_versions(prefix: Path) -> list[str]:
    found = (re.fullmatch(r"python(\d+\.\d+)", path.name) for path in prefix.glob("lib/python*"))
    return sorted(match[1] for match in found if match)
