"""Names of topics and services in a running cell.

They are relative, so that a namespace (``namespace:=left``) goes before them and two cells share a
ROS domain. Recordings and the library know the same names with a slash and without a namespace:
episodes of all cells are alike.
"""

from __future__ import annotations

SHARED_TOPICS = frozenset({"/diagnostics"})
"""One for all cells, as ROS's tools expect it."""

CLOCK_OF_NAMESPACE = ["--ros-args", "-r", "/clock:=clock"]
"""Arguments of every node: rclpy listens to /clock, and each cell tells its own time."""


def live(recorded: str) -> str:
    """The name in a running cell of a topic or service that the library or a recording names."""
    return recorded if recorded in SHARED_TOPICS else recorded.removeprefix("/")


def in_recordings(resolved: str, namespace: str) -> str:
    """What a recording calls a topic of a cell in a namespace (``/`` is none)."""
    return resolved.removeprefix(namespace.rstrip("/"))
