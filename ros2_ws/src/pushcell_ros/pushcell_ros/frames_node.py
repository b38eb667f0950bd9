"""Publishes frames for ROS tools: ``robot_description``, ``tf_static`` and ``tf``.

Base, arm links, the pusher's tip, both cameras' optical frames, table and goal come from one URDF
of the whole cell; the slider comes from its pose. If robot_state_publisher is installed, it
publishes the URDF and its frames. The node takes no part in the control loop: simulated time does
not wait for it, and it publishes at a fixed rate in real time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import PoseStamped
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from pushcell.arm.description import BASE, SLIDER, describe
from pushcell.arm.frame_tree import ArmFrame, FrameTree
from pushcell.bags.messages import optical_frame
from pushcell.cameras.calibrated import active_pose
from pushcell.config.cell import CellConfig
from pushcell.geometry import Pose
from pushcell.processes.priority import ProcessPriority
from pushcell_ros.base_node import ERROR, OK, CellNode, run_node
from pushcell_ros.conversions import to_pose, transform_message
from pushcell_ros.params import CellParams, parameter
from pushcell_ros.qos import LATCHED, NEWEST, RELIABLE, SENSOR_DATA
from pushcell_ros.state_publisher import StatePublisher, find_state_publisher

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # ROS has it, the wheels of rclpy have not
    TFMessage = None

_NO_TF2 = (
    "no tf and tf_static: this Python has no tf2_msgs, which comes with an installed ROS 2 and "
    "not with the wheels; robot_description is published"
)


@dataclass(frozen=True)
class FramesParams(CellParams):
    """Parameters of ``frames_node``."""

    slider_topic: str = parameter("slider/pose", "topic of the slider's pose")
    rate_hz: float = parameter(20.0, "publishing rate of moving frames [Hz]", least=1.0, most=200.0)
    robot_state_publisher: bool = parameter(
        True, "start ROS's robot_state_publisher for the URDF if it is installed"
    )


class FramesNode(CellNode):
    """The URDF once, fixed frames once, moving ones from the newest joints and slider."""

    Params = FramesParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        super().__init__("frames_node")
        urdf = describe(self.cell, camera_frames(self.cell))
        self._tree = FrameTree(urdf)
        self._joints: JointState | None = None
        self._slider: PoseStamped | None = None
        self._told = 0
        self._helper = self._start_helper(urdf)
        if self._helper is None:
            description = self.create_publisher(String, "robot_description", LATCHED)
            description.publish(String(data=urdf))
        self._out: Publisher | None = None
        if TFMessage is None:
            self.get_logger().info(_NO_TF2)
            return
        self._out = self.create_publisher(TFMessage, "tf", RELIABLE)
        self.create_subscription(
            PoseStamped, self.params.slider_topic, self._on_slider, SENSOR_DATA
        )
        if self._helper is None:
            static = self.create_publisher(TFMessage, "tf_static", LATCHED)
            static.publish(_message(self._tree.fixed, self.stamp()))
            self.create_subscription(JointState, "joint_states", self._on_joints, NEWEST)
        self.every_steady(self.params.rate_hz, self._tell)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Who publishes what."""
        figures: dict[str, object] = {
            "links": "here" if self._helper is None else "robot_state_publisher",
            "messages": self._told,
        }
        if self._helper is not None and not self._helper.running:
            return ERROR, "robot_state_publisher has ended: see its output", figures
        if self._out is None:
            return OK, _NO_TF2, figures  # no fault of the cell
        return OK, "publishing frames", figures

    def close(self) -> None:
        """End robot_state_publisher."""
        if self._helper is not None:
            self._helper.close()

    def _start_helper(self, urdf: str) -> StatePublisher | None:
        program = find_state_publisher(os.environ)
        if program is None or not self.params.robot_state_publisher:
            return None
        return StatePublisher(program, urdf, self.get_namespace(), self.simulated_time)

    def _on_joints(self, message: JointState) -> None:
        self._joints = message

    def _on_slider(self, message: PoseStamped) -> None:
        self._slider = message

    def _tell(self) -> None:
        """What is new since the last time, each with its own stamp."""
        assert self._out is not None
        if self._joints is not None:
            joints, self._joints = self._joints, None
            positions = dict(zip(joints.name, joints.position, strict=True))
            self._out.publish(_message(self._tree.moving(positions), joints.header.stamp))
            self._told += 1
        if self._slider is not None:
            slider, self._slider = self._slider, None
            frame = ArmFrame(BASE, SLIDER, to_pose(slider))
            self._out.publish(_message([frame], slider.header.stamp))
            self._told += 1


def camera_frames(cell: CellConfig) -> dict[str, tuple[str, Pose]]:
    """Each camera's optical frame, its link and its pose in it, calibrated where that was done."""
    return {
        optical_frame(camera.name): (
            camera.link,
            Pose.from_matrix(active_pose(cell, camera.name)),
        )
        for camera in cell.cameras
    }


def _message(frames: Iterable[ArmFrame], stamp: TimeMsg) -> TFMessage:
    return TFMessage(transforms=[transform_message(frame, stamp) for frame in frames])


def main() -> None:
    """Run the node."""
    run_node(FramesNode)


if __name__ == "__main__":
    main()
