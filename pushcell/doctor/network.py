"""What is open to the network: neither DDS nor LCM asks who speaks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from pushcell.config.arm import IiwaLinkConfig
from pushcell.config.cell import CellConfig
from pushcell.doctor.finding import Finding, good, worth_knowing

_ALONE = ("LOCALHOST", "OFF")


def examine(cell: CellConfig) -> Iterator[Finding]:
    """Who may command the arm from another computer."""
    yield _dds()
    if isinstance(cell.arm.link, IiwaLinkConfig):
        yield _lcm(cell.arm.link)


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


def _lcm(link: IiwaLinkConfig) -> Finding:
    ttl = re.search(r"[?&]ttl=(\d+)", link.lcm.url)
    if ttl is not None and int(ttl[1]) == 0:
        return good("open: LCM", "the arm's wire does not leave this computer (ttl=0)")
    return worth_knowing(
        "open: LCM",
        f"{link.lcm.url}: any computer of the network may command the arm",
        "ttl=0 where the arm's driver runs here, else a network of its own (docs/security.md)",
    )
