"""teleop_node as a process: what the buttons of pads on /joy ask for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from pushcell.launcher.domain import default_lock_folder, held_domain
from teleop.actions import ACTIONS
from tests.conftest import ROOT, SIM_CELL


class Cell:
    """Hears what the node asks for and says; says what a pad says."""

    def __init__(self) -> None:
        self.node: Node = rclpy.create_node("synthetic_cell")
        self.asked: list[str] = []
        self.held = False
        self.state = ""
        for name, action in ACTIONS.items():
            self.node.create_service(Trigger, action.service, self._service(name))
        self.node.create_subscription(Bool, "/safety/deadman", self._on_deadman, 10)
        self.node.create_subscription(String, "/teleop/state", self._on_state, 10)
        self._joy = self.node.create_publisher(Joy, "/joy", 10)

    def press(self, axes: int, buttons: int, pressed: bool, seconds: float = 0.0) -> None:
        """A pad says at least once, and for so long, that all is pressed, or nothing."""
        end = time.monotonic() + seconds
        while True:
            stick = [-1.0 if pressed else 0.0] * axes
            self._joy.publish(Joy(axes=stick, buttons=[int(pressed)] * buttons))
            rclpy.spin_once(self.node, timeout_sec=0.02)
            if time.monotonic() > end:
                return

    def press_until(self, condition: Callable[[], bool], axes: int, buttons: int) -> None:
        """Press all of a pad and let go, in turn, until something comes of it."""
        while not condition():
            self.press(axes, buttons, False, 0.1)
            self.press(axes, buttons, True, 0.1)

    def _service(self, name: str) -> Callable:
        def answer(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self.asked.append(name)
            response.success = True
            return response

        return answer

    def _on_deadman(self, message: Bool) -> None:
        self.held = self.held or message.data

    def _on_state(self, message: String) -> None:
        (device,) = json.loads(message.data)["devices"]
        self.state = device["problem"]


@pytest.fixture
def cell() -> Iterator[Cell]:
    with held_domain({"ROS_DOMAIN_ID": ""}, default_lock_folder()) as domain:
        rclpy.init(domain_id=domain.number)
        made = Cell()
        paths = os.pathsep.join([str(ROOT), str(ROOT / "ros2_ws/src/pushcell_ros")])
        words = ["--ros-args", "-p", f"cell:={SIM_CELL}", "-p", "devices:=gamepad"]
        process = subprocess.Popen(
            [sys.executable, "-m", "pushcell_ros.teleop_node", *words],
            env={**os.environ, "ROS_DOMAIN_ID": str(domain.number), "PYTHONPATH": paths},
        )
        yield made
        process.terminate()
        process.wait()
        made.node.destroy_node()
        rclpy.try_shutdown()


@pytest.mark.timeout(120)
def test_no_button_of_an_unknown_pad_asks_for_anything(cell: Cell) -> None:
    cell.press_until(lambda: bool(cell.state), 9, 14)
    assert "a pad of 9 axes and 14 buttons, which no map here is for" in cell.state
    for _ in range(10):
        cell.press(9, 14, False, 0.1)
        cell.press(9, 14, True, 0.1)
    assert cell.asked == []
    assert not cell.held
    # The same presses on a pad that is known do all that its map says: this test can fail.
    cell.press_until(lambda: cell.held and len(set(cell.asked)) == 6, 8, 11)
    assert set(cell.asked) == {"stop", "start", "success", "failure", "discard", "prepare"}
