"""The live page: served on loopback, follows the scene, says when its port is taken."""

import socket
import urllib.request

import pytest

from pushcell.config.cell import CellConfig
from pushcell.errors import PushcellError
from pushcell.geometry import PlanarPose, Pose
from pushcell.simulation.live_view import LiveView


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_page_is_served_on_loopback(cell: CellConfig) -> None:
    port = free_port()
    view = LiveView(cell, port)
    assert view.address == f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(view.address, timeout=10) as page:
        assert b"meshcat" in page.read().lower()


def test_page_follows_the_scene(cell: CellConfig) -> None:
    view = LiveView(cell)
    pages = []
    for x in (0.5, 0.6):
        view.show(cell.arm.nominal_joints_rad, Pose.from_planar(PlanarPose(x, 0, 0), 0.016))
        pages.append(view._meshcat.StaticHtml())
    assert pages[0] != pages[1]
    assert view._meshcat.HasPath("goal")


def test_taken_port_is_named(cell: CellConfig) -> None:
    port = free_port()
    view = LiveView(cell, port)
    with pytest.raises(PushcellError, match=f"cannot use port {port}"):
        LiveView(cell, port)
    assert str(port) in view.address
