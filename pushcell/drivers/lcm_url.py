"""LCM of cells that run side by side: a port for each ROS domain, channels for each namespace."""

from __future__ import annotations

import re

from pushcell.config.arm import LcmConfig
from pushcell.errors import ConfigError

_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535
# DDS takes ports 7400 + 250 domain + 0, 1, 10, 11, ...: a port between, moved likewise, stays free.
_PORTS_A_DOMAIN = 250
_LONGEST_CHANNEL = 63  # LCM drops what is said on a longer one
_PORT = re.compile(r":(\d+)(?=\?|$)")


def lcm_url(lcm: LcmConfig, domain: int) -> str:
    """The URL of the link for a run in a ROS domain."""
    return instance_url(lcm.url, domain if lcm.port_follows_domain else 0)


def in_namespace(lcm: LcmConfig, namespace: str) -> LcmConfig:
    """The link of a cell in a ROS namespace (``/`` is none): its channels are named after it.

    A real arm's driver, which follows no domain, keeps its channels in any namespace.
    """
    prefix = f"{namespace.strip('/')}/" if namespace.strip("/") else ""
    if not (prefix and lcm.port_follows_domain):
        return lcm
    channels = {name: prefix + getattr(lcm, name) for name in ("status_channel", "command_channel")}
    too_long = [name for name in channels.values() if len(name) > _LONGEST_CHANNEL]
    if too_long:
        raise ConfigError(
            f"namespace {namespace!r} makes the LCM channel {too_long[0]!r}, allowed: "
            f"{_LONGEST_CHANNEL} letters"
        )
    return lcm.model_copy(update=channels)


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
