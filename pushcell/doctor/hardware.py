"""The arm's link and the cameras of a configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from pushcell.config.arm import IiwaLinkConfig, PluginLinkConfig
from pushcell.config.cell import CameraSourceConfig, CellConfig
from pushcell.config.plugins import load_plugin
from pushcell.doctor.finding import DoctorFinding, bad, good, worth_knowing
from pushcell.drivers.lcm_url import lcm_url
from pushcell.drivers.realsense_camera import find_realsense
from pushcell.errors import ArmLinkError, CameraError, ConfigError

_LISTEN_S = 0.5
_POLL_S = 0.005


def examine(cell: CellConfig) -> Iterator[DoctorFinding]:
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
    yield from _cameras(cell)


def _plugin(link: PluginLinkConfig) -> DoctorFinding:
    try:
        load_plugin(link.driver, "arm.link.driver")
    except ConfigError as error:
        return bad("arm link", str(error), "")
    return good("arm link", f"{link.driver} is there")


def _lcm(cell: CellConfig, link: IiwaLinkConfig) -> DoctorFinding:
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
    return bad("arm link", f"no report received, {where}", "start the arm's driver on this machine")


def _cameras(cell: CellConfig) -> Iterator[DoctorFinding]:
    if cell.simulation is not None:
        names = ", ".join(camera.name for camera in cell.cameras)
        yield good("cameras", f"{names}: simulated")
        return
    for camera in cell.cameras:
        what = f"camera {camera.name}"
        if camera.source is None:
            found = "no source in the cell's file"
            yield worth_knowing(what, found, "another driver must publish its pictures")
        else:
            yield _camera(what, camera.source)


def _camera(what: str, source: CameraSourceConfig) -> DoctorFinding:
    advice = "plug it in, or name another in cameras.source of the cell's file"
    if source.driver == "realsense":
        try:
            find_realsense(source.device)
        except CameraError as error:
            return bad(what, str(error), advice)
    elif source.driver in ("uvc", "file", "recording") and not Path(source.device).exists():
        return bad(what, f"{source.driver}: {source.device!r} is not there", advice)
    return good(what, f"{source.driver} {source.device}")
