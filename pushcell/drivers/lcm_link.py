"""Opening an LCM link, and hearing who is on it already."""

from __future__ import annotations

import re
import socket
import time

from pydrake.lcm import DrakeLcm

from pushcell.errors import ArmLinkError
from pushcell.timing import steady_seconds

# Long enough to hear anybody who publishes at 20 Hz or more, on a busy machine too.
_LISTEN_S = 0.2
_POLL_S = 0.005


def open_lcm(url: str) -> DrakeLcm:
    """A link on a ``udpm://`` URL.

    Raises ArmLinkError where another program has the port, and where multicast cannot be sent:
    LCM would fall silent there without saying so.
    """
    address, port = re.findall(r"[^/:?]+", url.partition("//")[2])[:2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, int(port)))
        except OSError as error:
            raise ArmLinkError(
                f"LCM cannot use {url} ({error.strerror}): this machine has no route for "
                "multicast; on one without a network `sudo ip link set lo up multicast on; "
                "sudo ip route add 224.0.0.0/4 dev lo` makes one"
            ) from None
    try:
        return DrakeLcm(url)
    except RuntimeError:
        raise ArmLinkError(f"LCM cannot use {url}: {_why_not(int(port))}") from None


def _why_not(port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return (
                f"another program has port {port}; end that, or take another port: for a simulated "
                "cell by another ROS_DOMAIN_ID, of 0 to 101, otherwise by arm.link.lcm.url"
            )
    return "for the reason that LCM printed above"


def is_published(url: str, channel: str) -> bool:
    """Whether somebody publishes on the channel now; listens for up to 0.2 s."""
    heard: list[bytes] = []
    lcm = open_lcm(url)
    lcm.Subscribe(channel, heard.append)
    deadline = steady_seconds() + _LISTEN_S
    while steady_seconds() < deadline and not heard:
        # LCM's own waiting would keep the other threads of this process from running.
        time.sleep(_POLL_S)
        lcm.HandleSubscriptions(0)
    return bool(heard)
