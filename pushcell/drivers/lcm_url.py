"""LCM URLs of cells that run side by side: one port each."""

from __future__ import annotations

import re

from pushcell.config.arm import LcmConfig
from pushcell.errors import ConfigError

_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535
# DDS takes ports 7400 + 250 domain + 0, 1, 10, 11, ...: a port between, moved likewise, stays free.
_PORTS_A_DOMAIN = 250
_PORT = re.compile(r":(\d+)(?=\?|$)")


def lcm_url(lcm: LcmConfig, domain: int) -> str:
    """The URL of the wire for a run in a ROS domain."""
    return instance_url(lcm.url, domain if lcm.port_follows_domain else 0)


def instance_url(url: str, domain: int) -> str:
    """The URL with its port moved up as far as DDS's own are in a ROS domain (0 leaves it).

    Raises ConfigError when the port is not one that a program may use.
    """
    found = _PORT.search(url)
    if found is None:
        raise ConfigError(
            f"arm.link.lcm.url = {url!r}: has no port, allowed: udpm://ADDRESS:PORT?ttl=0"
        )
    port = int(found[1]) + _PORTS_A_DOMAIN * domain
    if not _LOWEST_PORT <= port <= _HIGHEST_PORT:
        raise ConfigError(
            f"arm.link.lcm.url = {url!r} in ROS domain {domain} asks for port {port}, "
            f"allowed: {_LOWEST_PORT} to {_HIGHEST_PORT}"
        )
    return f"{url[: found.start(1)]}{port}{url[found.end(1) :]}"
