"""The link to the arm: its reports become ``/joint_states``, ``/arm/joint_command`` goes to it.

It runs in step with the arm: every report is answered with a command. It cannot tell a
simulated arm from a real one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.executors import Executor
from sensor_msgs.msg import JointState

from pushcell.arm.kinematics import ArmKinematics
from pushcell.drivers.arm import ArmStatus
from pushcell.drivers.iiwa import IiwaDriver
from pushcell.drivers.joint_stream import JointStream
from pushcell.timing import PeriodMonitor, steady_seconds
from pushcell.urgency import Urgency
from pushcell_ros.base_node import ERROR, OK, WARN, CellNode, run_node, running
from pushcell_ros.conversions import joint_message, pose_message
from pushcell_ros.params import parameter

_POLL_S = 0.002
_POSE_RATE_HZ = 50.0


@dataclass(frozen=True)
class ArmParams:
    """Parameters of ``arm_node``."""

    cell: str = parameter("", "path of the cell's YAML file")


class ArmNode(CellNode):
    """One arm driver, one joint stream."""

    Params = ArmParams
    urgency = Urgency.REAL_TIME

    def __init__(self) -> None:
        super().__init__("arm_node")
        self._kinematics = ArmKinematics(self.cell)
        self._driver = IiwaDriver(self.cell.arm.link.lcm, int(os.environ.get("ROS_DOMAIN_ID", "0")))
        self._stream: JointStream | None = None
        self._pose_every = max(1, round(self.cell.arm.status_rate_hz / _POSE_RATE_HZ))
        self._status = PeriodMonitor()
        self._joints = self.create_publisher(JointState, "/joint_states", 10)
        self._pusher = self.create_publisher(PoseStamped, "/pusher/pose", 10)
        self.create_subscription(JointState, "/arm/joint_command", self._on_command, 10)

    def spin(self, executor: Executor) -> None:
        """See to ROS as events come, and look at the arm's wire in between.

        Waiting is done on the ROS side: LCM would hold Python's lock while it waits.
        """
        with self._driver:
            while running():
                executor.spin_once(timeout_sec=_POLL_S)
                status = self._driver.receive(0)
                if status is not None:
                    self._on_status(status)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Rate and age of the arm's reports."""
        age_s = self._status.age(steady_seconds())
        figures = {
            "status_rate_hz": f"{self._status.rate_hz():.1f}",
            "status_age_ms": f"{1e3 * age_s:.1f}",
            "commands_refused": self._stream.refused if self._stream else 0,
        }
        if age_s > self.cell.motion.arm_status_age_s:
            return ERROR, "the arm does not report", figures
        if self._stream is not None and self._stream.silent:
            return WARN, "the joints were stopped because commands stopped coming", figures
        return OK, "linked", figures

    def _on_status(self, status: ArmStatus) -> None:
        self._status.tick(steady_seconds())
        stamp = self.stamp()
        self._joints.publish(joint_message(stamp, status.position, status.velocity, status.torque))
        if self._status.count % self._pose_every == 0:
            pose = self._kinematics.tip_pose(status.position)
            self._pusher.publish(pose_message(pose, stamp))
        if not self._driver.ready:
            return
        if self._stream is None:
            # The arm is first commanded to stay where it says that it is.
            self._stream = JointStream(
                self.cell.arm, 1.0 / self.cell.motion.rate_hz, status.position
            )
        self._driver.send(self._stream.position_at(self.now()))

    def _on_command(self, message: JointState) -> None:
        if self._stream is not None:
            self._stream.push(self.control_time(message.header.stamp), np.array(message.position))


def main() -> None:
    """Run the node."""
    run_node(ArmNode)


if __name__ == "__main__":
    main()
