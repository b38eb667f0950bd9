"""What a node shares that drives the arm itself, from pose to pose, and takes pictures there.

It stands in motion_node's place: its ways are not planar. The arm moves only while the operator
holds the deadman and no emergency stop is engaged, at a share of the joints' limits.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import Executor
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool

from calibration.arm_drive import ArmDrive
from pushcell.config.cell import CameraConfig
from pushcell.geometry import Array, Pose
from pushcell.node_states import MotionNodeState
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell_ros.base_node import OK, WARN, wait_until
from pushcell_ros.board_params import BoardParams
from pushcell_ros.commanding_node import CommandingNode
from pushcell_ros.conversions import motion_state_message, to_image
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import RELIABLE, SENSOR_DATA

_GRAPH_TIMEOUT_S = 60.0
_DRIVE_TIMEOUT_S = 300.0
_PICTURE_TIMEOUT_S = 600.0
_STATE_RATE_HZ = 20.0


@dataclass(frozen=True)
class DrivingParams(BoardParams):
    """Parameters of whoever drives."""

    speed: float = parameter(
        0.3, "share of the joint limits: velocity, acceleration, jerk", least=0.01, most=1.0
    )
    require_deadman: bool = parameter(
        True, "allow motion only while the operator holds the deadman; false also releases the stop"
    )


class DrivingNode(CommandingNode, ABC):
    """``arm`` is driven; ``progress`` is how far all of it is, in words."""

    Params = DrivingParams

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.arm = ArmDrive(self.cell, self.params.require_deadman)
        if not self.params.require_deadman:
            self.arm.emergency_stop.release()
        self.progress = "waiting for the cell"
        self._executor: Executor
        self._motion_state = self.create_publisher(DiagnosticStatus, "motion/state", RELIABLE)
        self.create_subscription(JointState, "joint_states", self._on_joints, RELIABLE)
        self.create_subscription(Bool, "safety/deadman", self._on_deadman, RELIABLE)
        self.serve_stop(self.arm.emergency_stop)
        self.every(self.cell.motion.rate_hz, self._tick)
        self.every(_STATE_RATE_HZ, self._publish_motion_state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How far it is."""
        halted = self.arm.halted(self.now())
        figures = {"emergency_stop": self.arm.emergency_stop.cause or "released"}
        if halted is not None:
            return WARN, f"{self.progress}; {halted}", figures
        return OK, self.progress, figures

    def spin(self, executor: Executor) -> None:
        """`drive` as soon as the arm reports."""
        self._executor = executor
        self.wait(lambda: self.arm.joints is not None, _GRAPH_TIMEOUT_S, "the arm does not report")
        self.drive()

    @abstractmethod
    def drive(self) -> None:
        """All that there is to do."""

    def tip_at(self, place: Array) -> Array:
        """The joints with the tip straight down at a place (3,) [m]."""
        posture = self.kinematics.pusher_posture(place[:2])
        return self.kinematics.solve(Pose(place, posture.rotation), self.joints)

    def go(self, joints: Array, gently: bool = False) -> None:
        """Drive there and come to rest; waits for as long as it is halted.

        Gently: slowly, so that a stop on the way ends above the table, and to the very place.
        """
        slowly, within_rad = (0.2, 1e-4) if gently else (1.0, 2e-3)
        self.arm.go(joints, slowly * self.params.speed, within_rad)
        while not self.arm.arrived(self.now()):
            self.wait(lambda: not self._halted, math.inf, "")
            self.wait(
                lambda: self._halted or self.arm.arrived(self.now()),
                _DRIVE_TIMEOUT_S,
                "the arm does not get to the next pose",
            )

    def take(self, camera: CameraConfig) -> np.ndarray:
        """A picture (H, W, 3) of the arm at rest, where it is now."""
        # A list of its own: a picture from the pose before may still be queued.
        pictures: list[np.ndarray] = []
        still_since_s = self.arm.still_since_s
        topic = live(IMAGE_TOPIC.format(camera.name))

        def on_image(message: Image) -> None:
            if self.control_time(message.header.stamp) > still_since_s:
                pictures.append(to_image(message))

        subscription = self.create_subscription(Image, topic, on_image, SENSOR_DATA)
        problem = f"no picture on {topic}"
        self.wait(lambda: bool(pictures), _PICTURE_TIMEOUT_S, problem)
        self.destroy_subscription(subscription)
        return pictures[-1]

    @property
    def joints(self) -> Array:
        """(n,) as it reports them [rad]."""
        assert self.arm.joints is not None
        return self.arm.joints

    @property
    def _halted(self) -> bool:
        return self.arm.halted(self.now()) is not None

    def _tick(self) -> None:
        now = self.now()
        wanted = self.arm.tick(now)
        if wanted is not None:
            self.command(self.stamp(now), *wanted)

    def _on_joints(self, message: JointState) -> None:
        now = self.control_time(message.header.stamp)
        self.arm.on_joints(now, np.array(message.position), np.array(message.velocity))

    def _on_deadman(self, message: Bool) -> None:
        self.arm.on_deadman(self.now(), message.data)

    def _publish_motion_state(self) -> None:
        """In motion_node's place, for the operator's page."""
        halted = self.arm.halted(self.now())
        state = MotionNodeState(
            source="calibration",
            phase="holding" if halted else "moving",
            emergency_stop=self.arm.emergency_stop.cause or "released",
            require_deadman=self.params.require_deadman,
            message=halted or self.progress,
        )
        self._motion_state.publish(motion_state_message(state))

    def wait(self, condition: Callable[[], bool], timeout_s: float, problem: str) -> None:
        """Handle events until a condition holds; PushcellError after the timeout."""
        wait_until(self._executor, condition, timeout_s, f"{problem} within {timeout_s:.0f} s")
