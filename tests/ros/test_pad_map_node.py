"""`pushcell teleop map` as a process, and a made-up pad on /joy beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Joy

from pushcell.launcher.domain import default_lock_folder, held_domain
from teleop.devices.pad_map import load_map
from tests.conftest import ROOT
from tests.teleop.pressed_pad import PressedPad

ACTIONS = ["stop", "start"]


@pytest.fixture
def domain() -> Iterator[int]:
    with held_domain({"ROS_DOMAIN_ID": ""}, default_lock_folder()) as held:
        yield held.number


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    rclpy.init(domain_id=domain)
    made = rclpy.create_node("synthetic_pad")
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def command(domain: int, out: Path, *words: str) -> subprocess.Popen[str]:
    paths = [str(ROOT), str(ROOT / "ros2_ws/src/pushcell_ros")]
    environment = {"ROS_DOMAIN_ID": str(domain), "PYTHONPATH": os.pathsep.join(paths)}
    line = [sys.executable, "-m", "pushcell.cli", "teleop", "map", "--out", str(out), *words]
    return subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def say(node: Node, pad: PressedPad, stop: list[bool]) -> None:
    """As joy_node: a message 50 times a second."""
    publisher = node.create_publisher(Joy, "/joy", 10)
    while not stop:
        message = Joy(axes=pad.axes, buttons=pad.buttons)
        message.header.frame_id = "joy"
        publisher.publish(message)
        rclpy.spin_once(node, timeout_sec=0.02)


@pytest.mark.timeout(120)
def test_an_unknown_pad_is_mapped_by_doing_what_is_asked_for(
    tmp_path: Path, domain: int, node: Node
) -> None:
    known, out = load_map("gamepad"), tmp_path / "mine.yaml"
    pad, stop = PressedPad(9, 14, {2: 1.0, 5: 1.0}), []
    talker = Thread(target=say, args=(node, pad, stop))
    talker.start()
    asks = {
        "Push the stick to the right": known.right,
        "Push the stick up": known.up,
        "let you drive": known.deadman,
        "driving slowly": known.slow,
        "driving fast": known.fast,
        "'stop'": known.actions["stop"],
        "'start'": known.actions["start"],
    }
    try:
        process = command(domain, out, "--actions", *ACTIONS)
        assert process.stdout is not None
        for line in process.stdout:
            if "Let go" in line:
                pad.let_go()
            for asked, part in asks.items():
                if asked in line:
                    pad.press(part)
        assert process.wait() == 0, process.stderr and process.stderr.read()
    finally:
        stop.append(True)
        talker.join()
    found = load_map(str(out))
    assert found.counts is not None
    assert (found.counts.axes, found.counts.buttons) == (9, 14)
    for name, part in found.parts.items():
        assert part.controls == known.parts[name].controls
    assert set(found.actions) == set(ACTIONS)


@pytest.mark.timeout(120)
def test_nothing_is_mapped_without_a_pad_or_beside_a_node_that_drives(
    tmp_path: Path, domain: int, node: Node
) -> None:
    process = command(domain, tmp_path / "mine.yaml", "--patience-s", "0.5")
    assert "no message arrived on /joy: plug the gamepad in" in process.communicate()[1]
    assert process.returncode == 2
    driver = rclpy.create_node("teleop_node")
    driver.create_subscription(Joy, "/joy", lambda _: None, 10)
    stop: list[bool] = []
    talker = Thread(target=say, args=(node, PressedPad(8, 11, {}), stop))
    talker.start()
    try:
        process = command(domain, tmp_path / "mine.yaml")
        assert "teleop_node listens to /joy too" in process.communicate()[1]
        assert process.returncode == 2
    finally:
        stop.append(True)
        talker.join()
        driver.destroy_node()
    assert not (tmp_path / "mine.yaml").exists()
