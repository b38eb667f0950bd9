"""What every program of the package does: run the node of its own name, or say why it cannot.

Imports nothing but Python's own at first, so that a Python that lacks something can say so.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path


def main() -> None:
    """Run the node that this program is named after; exits with 2 where this Python cannot."""
    name = Path(sys.argv[0]).name
    try:
        importlib.import_module("pushcell")
        _check_release(name)
        node = importlib.import_module(f"pushcell_ros.{name}")
    except ImportError as error:
        print(f"error: {name} cannot start: {explain(error)}", file=sys.stderr, flush=True)
        sys.exit(2)
    node.main()


def _check_release(name: str) -> None:
    """End where the nodes do not run on this ROS 2."""
    from pushcell.ros_release import rclpy_version, refusal

    problem = refusal(os.environ, rclpy_version())
    if problem is not None:
        print(f"error: {name} cannot start: {problem}", file=sys.stderr, flush=True)
        sys.exit(2)


def explain(error: ImportError) -> str:
    """Which module is missing, of which Python, and what to do."""
    missing = (error.name or "").partition(".")[0]
    this = f"Python {platform.python_version()} ({sys.executable})"
    if error.name == "pushcell":
        return (
            f"{this}, with which this workspace was built, has no pushcell: build the workspace "
            "again with the Python that has it, as in `.venv/bin/python -m colcon build`"
        )
    if missing == "rclpy":
        return (
            f"{this} cannot load rclpy: source the setup.sh of a ROS 2 that is made for this "
            "Python, or build the workspace again with the Python that ROS 2 is made for"
        )
    from pushcell import __version__
    from pushcell.extras import EXTRAS, advice

    if missing == "pushcell":
        return (
            f"pushcell {__version__} of {this} and this workspace do not fit ({error}): install "
            "pushcell from the sources that the workspace is built from"
        )
    if missing in EXTRAS:
        return f"{this} has no {missing}: {advice(missing)}"
    return (
        f"{this} cannot load a module ({error}): install what package.xml names, with `rosdep "
        "install --from-paths src` under ROS 2, or with pip install 'pushcell[ros]' without"
    )
