"""The only publisher of joint commands: the guard's clock and its edges to ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from pushcell.arm.kinematics import ArmKinematics
from pushcell.motion.guard import MotionGuard, Phase, Reason, Source
from pushcell.timing import PeriodMonitor, steady_seconds
from pushcell_ros.base_node import ERROR, OK, WARN, CellNode, run_node
from pushcell_ros.conversions import (
    joint_message,
    pose_message,
    status_message,
    to_chunk,
)
from pushcell_ros.params import parameter

_STATE_RATE_HZ = 20.0
_Handler = Callable[[Trigger.Request, Trigger.Response], Trigger.Response]


@dataclass(frozen=True)
class MotionParams:
    """Parameters of ``motion_node``."""

    cell: str = parameter("", "path of the cell's YAML file")


class MotionNode(CellNode):
    """Targets in, joint commands out."""

    Params = MotionParams

    def __init__(self) -> None:
        super().__init__("motion_node")
        self._kinematics = ArmKinematics(self.cell)
        self._guard = MotionGuard(self.cell, self._kinematics)
        self._ticks = PeriodMonitor()
        self._chunks_refused = 0
        self._command = self.create_publisher(JointState, "/arm/joint_command", 10)
        self._target = self.create_publisher(PoseStamped, "/motion/target", 10)
        self._state = self.create_publisher(DiagnosticStatus, "/motion/state", 10)
        self.create_subscription(JointState, "/joint_states", self._on_joints, 10)
        self.create_subscription(MultiDOFJointTrajectory, "/policy/chunk", self._on_chunk, 10)
        for name, source, reason in (
            ("/motion/hold", Source.HOLD, Reason.HOLD_REQUESTED),
            ("/motion/home", Source.HOME, Reason.NONE),
            ("/motion/follow_policy", Source.POLICY, Reason.NONE),
        ):
            self.create_service(Trigger, name, self._selector(source, reason))
        self.every(self.cell.motion.rate_hz, self._tick)
        self.every(_STATE_RATE_HZ, self._publish_state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """The guard's state and the regularity of its ticks."""
        state, periods = self._guard.state, self._ticks.periods()
        figures = {
            **self._state_values(),
            "period_p50_ms": f"{1e3 * periods.p50:.2f}",
            "period_p99_ms": f"{1e3 * periods.p99:.2f}",
            "period_max_ms": f"{1e3 * periods.max:.2f}",
            "chunks_refused": self._chunks_refused,
        }
        levels = {Phase.NO_ARM: ERROR, Phase.STOPPING: WARN}
        return levels.get(state.phase, OK), state.reason.value or "following", figures

    def _on_joints(self, message: JointState) -> None:
        self._guard.on_arm_status(self.now(), np.array(message.position))

    def _on_chunk(self, message: MultiDOFJointTrajectory) -> None:
        try:
            chunk = to_chunk(message, self.control_time(message.header.stamp))
        except ValueError as error:
            self._chunks_refused += 1
            self.get_logger().error(f"chunk refused: {error}", throttle_duration_sec=1.0)
            return
        self._guard.on_chunk(self.now(), chunk)

    def _tick(self) -> None:
        now = self.now()
        self._ticks.tick(steady_seconds())
        target = self._guard.tick(now)
        if target is None:
            return
        stamp = self.stamp(now)
        self._command.publish(joint_message(stamp, target.position, target.velocity))
        self._target.publish(pose_message(self._kinematics.pusher_posture(self._guard.tip), stamp))

    def _publish_state(self) -> None:
        state = self._guard.state
        self._state.publish(status_message("motion", OK, state.reason.value, self._state_values()))

    def _state_values(self) -> dict[str, object]:
        state = self._guard.state
        return {
            "source": state.source.value,
            "phase": state.phase.value,
            "reason": state.reason.name.lower(),
        }

    def _selector(self, source: Source, reason: Reason) -> _Handler:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            response.success = self._guard.select(source, reason)
            if not response.success:
                response.message = f"no: {self._guard.state.reason.value}"
            return response

        return handle


def main() -> None:
    """Run the node."""
    run_node(MotionNode)


if __name__ == "__main__":
    main()
