"""What is open to the network: DDS does not ask who speaks. LCM never leaves the computer here."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pushcell.doctor.finding import DoctorFinding, good, worth_knowing

_ALONE = ("LOCALHOST", "OFF")


def examine() -> Iterator[DoctorFinding]:
    """Who may command the arm from another computer."""
    secured = os.environ.get("ROS_SECURITY_ENABLE") == "true"
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    if secured and os.environ.get("ROS_SECURITY_STRATEGY") == "Enforce":
        yield good("open: DDS", "SROS2 is enforced")
    elif reach in _ALONE:
        yield good("open: DDS", f"discovery range {reach}: other computers are not heard")
    else:
        yield worth_knowing(
            "open: DDS",
            f"discovery range {reach}: under ros2 launch any computer in the network can command "
            "the arm; pushcell launch uses this computer only",
            "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST, or see docs/security.md",
        )
