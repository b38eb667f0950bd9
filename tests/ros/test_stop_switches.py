"""motion_node and those who press its emergency stop: real processes, real publishers."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

rclpy = pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from pushcell.launcher.domain import default_lock_folder, held_domain  # noqa: E402
from pushcell_ros.conversions import status_values  # noqa: E402
from pushcell_ros.qos import LATCHED  # noqa: E402

PATIENCE_S = 60.0
pytestmark = pytest.mark.timeout(180)


class Room:
    """Two people with a switch each, and one who releases."""

    def __init__(self, domain: int, namespace: str) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("room", namespace=namespace, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.cause = ""
        self.node.create_subscription(DiagnosticStatus, "motion/state", self._on_state, 10)
        self._release = self.node.create_client(Trigger, "safety/release")
        self.first, self.second = self.switch(), self.switch()
        self.until(lambda: bool(self.cause) and self._release.service_is_ready())

    def switch(self) -> Publisher:
        return self.node.create_publisher(Bool, "safety/estop", LATCHED)

    def _on_state(self, message: DiagnosticStatus) -> None:
        self.cause = status_values(message)["emergency_stop"]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self._executor.spin_once(timeout_sec=0.05)

    def say(self, switch: Publisher, pressed: bool) -> None:
        self.until(lambda: switch.get_subscription_count() == 2)
        switch.publish(Bool(data=pressed))
        spoken = time.monotonic()
        self.until(lambda: time.monotonic() - spoken > 0.5)

    def release(self) -> Trigger.Response:
        answer = self._release.call_async(Trigger.Request())
        self.until(answer.done)
        return answer.result()


@pytest.fixture(params=["/", "/left"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    with held_domain({}, default_lock_folder()) as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain.number))
        command = [
            sys.executable,
            "-m",
            "pushcell_ros.motion_node",
            "--ros-args",
            "-p",
            "cell:=sim",
            "-r",
            f"__ns:={request.param}",
        ]
        node = subprocess.Popen(command)
        try:
            room = Room(domain.number, request.param)
            yield room
            room.node.destroy_node()
            rclpy.shutdown(context=room.context)
        finally:
            node.terminate()
            node.wait(PATIENCE_S)


def test_the_stop_is_held_by_whoever_pressed_it(room: Room) -> None:
    assert room.release().success
    room.until(lambda: room.cause == "released")
    room.say(room.first, True)
    room.until(lambda: room.cause == "it was pressed")
    for _ in range(3):
        room.say(room.second, False)
    assert "still pressed" in room.release().message, "the second lets go of what the first presses"
    room.say(room.second, True)
    room.say(room.first, False)
    assert "still pressed" in room.release().message, "now the second presses it"
    room.say(room.second, False)
    assert room.cause == "it was pressed", "letting go releases nothing"
    assert room.release().success


def test_a_switch_that_ends_while_it_is_pressed_is_released_by_the_service_alone(
    room: Room,
) -> None:
    assert room.release().success
    room.say(room.first, True)
    room.node.destroy_publisher(room.first)
    room.say(room.second, False)
    room.until(lambda: room.cause == "it was pressed")
    assert room.release().success
    room.until(lambda: room.cause == "released")
