"""The arm's link and the cameras of a configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from pushcell.config import CellConfig
from pushcell.config_arm import IiwaLinkConfig, PluginLinkConfig
from pushcell.doctor.finding import Finding, bad, good, worth_knowing
from pushcell.drivers.lcm_url import lcm_url
from pushcell.errors import ArmLinkError, ConfigError
from pushcell.plugins import load_plugin

_LISTEN_S = 0.5
_POLL_S = 0.005


def examine(cell: CellConfig) -> Iterator[Finding]:
    """What the configuration speaks of, as far as it can be seen from here."""
    link = cell.arm.link
    if isinstance(link, IiwaLinkConfig):
        yield _lcm(cell, link)
    elif isinstance(link, PluginLinkConfig):
        yield _plugin(link)
    else:
        yield worth_knowing(
            "arm link",
            f"{link.kind}: over ROS topics",
            f"ros2 topic hz {link.state_topic} must show {cell.arm.status_rate_hz:.0f} Hz",
        )
    yield _video_devices(cell)


def _plugin(link: PluginLinkConfig) -> Finding:
    try:
        load_plugin(link.driver, "arm.link.driver")
    except ConfigError as error:
        return bad("arm link", str(error), "")
    return good("arm link", f"{link.driver} is there")


def _lcm(cell: CellConfig, link: IiwaLinkConfig) -> Finding:
    """Whether an arm's reports are heard; a simulated one is there only while its cell runs."""
    try:
        from pushcell.drivers.lcm_link import open_lcm
    except ModuleNotFoundError as error:
        return bad("arm link", f"{error.name} is missing", "pip install 'pushcell[hardware]'")
    url = lcm_url(link.lcm, int(os.environ.get("ROS_DOMAIN_ID", "0")))
    heard: list[bytes] = []
    try:
        lcm = open_lcm(url)
    except ArmLinkError as error:
        return bad("arm link", str(error), "")
    lcm.Subscribe(link.lcm.status_channel, heard.append)
    until = time.monotonic() + _LISTEN_S
    while time.monotonic() < until:
        time.sleep(_POLL_S)
        lcm.HandleSubscriptions(0)
    rate_hz = len(heard) / _LISTEN_S
    where = f"{link.lcm.status_channel} on {url}"
    if rate_hz > 0.9 * cell.arm.status_rate_hz:
        return good("arm link", f"{rate_hz:.0f} reports a second, {where}")
    if heard:
        return bad(
            "arm link", f"only {rate_hz:.0f} reports a second, {where}", "see docs/hardware.md"
        )
    if cell.simulation is not None:
        return good("arm link", f"open; the simulated arm is not running ({where})")
    return bad("arm link", f"no report heard, {where}", "start the arm's driver on this machine")


def _video_devices(cell: CellConfig) -> Finding:
    names = ", ".join(camera.name for camera in cell.cameras)
    if cell.simulation is not None:
        return good("cameras", f"{names}: simulated")
    devices = sorted(Path("/dev").glob("video*"))
    if len(devices) >= len(cell.cameras):
        return good("cameras", f"{names}: {len(devices)} video devices")
    return bad(
        "cameras", f"{names}: {len(devices)} video devices", "plug them in; try another port"
    )
