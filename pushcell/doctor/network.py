"""What is open to the network: neither DDS nor LCM asks who speaks."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pushcell.doctor.finding import Finding, good, worth_knowing

_ALONE = ("LOCALHOST", "OFF")


def examine() -> Iterator[Finding]:
    """Who may command the arm from another computer; LCM never leaves this one (ttl=0)."""
    yield _dds()


def _dds() -> Finding:
    secured = os.environ.get("ROS_SECURITY_ENABLE") == "true"
    if secured and os.environ.get("ROS_SECURITY_STRATEGY") == "Enforce":
        return good("open: DDS", "SROS2 is enforced")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    if reach in _ALONE:
        return good("open: DDS", f"discovery range {reach}: other computers are not heard")
    return worth_knowing(
        "open: DDS",
        f"discovery range {reach}: under ros2 launch any computer of the network may command the "
        "arm; pushcell launch stays on this one",
        "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST, or see docs/security.md",
    )
