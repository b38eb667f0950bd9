"""LCM URLs of cells that run side by side: one port each."""

from __future__ import annotations

import re

from pushcell.config_arm import LcmConfig
from pushcell.errors import ConfigError

_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535
_PORT = re.compile(r":(\d+)(?=\?|$)")


def lcm_url(lcm: LcmConfig, domain: int) -> str:
    """The URL of the wire for a run in a ROS domain."""
    return instance_url(lcm.url, domain if lcm.port_follows_domain else 0)


def instance_url(url: str, instance: int) -> str:
    """The URL with its port moved up by the instance's number (0 leaves it).

    Raises ConfigError when the port is not one that a program may use.
    """
    found = _PORT.search(url)
    if found is None:
        raise ConfigError(
            f"arm.link.lcm.url = {url!r}: has no port, allowed: udpm://ADDRESS:PORT?ttl=0"
        )
    port = int(found[1]) + instance
    if not _LOWEST_PORT <= port <= _HIGHEST_PORT:
        raise ConfigError(
            f"arm.link.lcm.url = {url!r} with instance {instance} asks for port {port}, "
            f"allowed: {_LOWEST_PORT} to {_HIGHEST_PORT}"
        )
    return f"{url[: found.start(1)]}{port}{url[found.end(1) :]}"
