"""Stands in for the arm in a replay: it reports every joint command as the joint state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState

from pushcell.arm.kinematics import ArmKinematics
from pushcell.errors import PlanningError
from pushcell.geometry import Array
from pushcell_ros.base_node import OK, CellNode, run_node
from pushcell_ros.conversions import joint_message, to_planar
from pushcell_ros.params import parameter
from pushcell_ros.qos import RELIABLE


@dataclass(frozen=True)
class NullArmParams:
    """Parameters of ``null_arm_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")


class NullArmNode(CellNode):
    """Joint commands in, the same as joint states out; it begins where the recorded pusher is."""

    Params = NullArmParams

    def __init__(self) -> None:
        super().__init__("null_arm_node")
        self._kinematics = ArmKinematics(self.cell)
        self._joints: Array | None = None
        self._commands = 0
        self._pusher: Array | None = None
        self._states = self.create_publisher(JointState, "joint_states", RELIABLE)
        self.create_subscription(JointState, "arm/joint_command", self._on_command, RELIABLE)
        self.create_subscription(PoseStamped, "pusher/pose", self._on_pusher, RELIABLE)
        self.every(self.cell.arm.status_rate_hz, self._report)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How far the commanded pusher is from the recorded one."""
        figures: dict[str, object] = {"commands": self._commands}
        if self._joints is None or self._pusher is None:
            return OK, "no recorded pusher was seen yet", figures
        tip = self._kinematics.tip_pose(self._joints).translation[:2]
        figures["deviation_mm"] = f"{1e3 * np.linalg.norm(tip - self._pusher):.1f}"
        return OK, "listening", figures

    def _on_pusher(self, message: PoseStamped) -> None:
        self._pusher = to_planar(message).position
        if self._joints is None:
            try:
                self._joints = self._kinematics.home_joints(self._pusher)
            except PlanningError as error:
                self.get_logger().warning(str(error), throttle_duration_sec=5.0)

    def _on_command(self, message: JointState) -> None:
        self._commands += 1
        self._joints = np.array(message.position)

    def _report(self) -> None:
        if self._joints is not None:
            names, at_rest = self._kinematics.joint_names, np.zeros_like(self._joints)
            self._states.publish(joint_message(self.stamp(), names, self._joints, at_rest))


def main() -> None:
    """Run the node."""
    run_node(NullArmNode)


if __name__ == "__main__":
    main()
