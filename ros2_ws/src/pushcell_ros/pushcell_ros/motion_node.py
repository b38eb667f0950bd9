"""Runs the motion guard: the only publisher of joint commands to the arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from pushcell.motion.guard import MotionGuard, Phase, Source
from pushcell.node_states import MotionNodeState
from pushcell.processes.priority import ProcessPriority
from pushcell.timing import PeriodMonitor, steady_seconds
from pushcell_ros.base_node import ERROR, OK, WARN, run_node
from pushcell_ros.commanding_node import CommandingNode
from pushcell_ros.conversions import (
    motion_state_message,
    pose_message,
    to_chunk,
    to_nanoseconds,
)
from pushcell_ros.params import parameter
from pushcell_ros.qos import RELIABLE
from pushcell_ros.stamped_stream import StampedStream

_STATE_RATE_HZ = 20.0
_CHUNK_TOPICS = {Source.POLICY: "policy/chunk", Source.REPLAY: "replay/chunk"}
_TELEOP_TOPIC = "teleop/target"
_Handler = Callable[[Trigger.Request, Trigger.Response], Trigger.Response]


@dataclass(frozen=True)
class MotionParams:
    """Parameters of ``motion_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    require_deadman: bool = parameter(
        True, "allow motion only while the operator holds the deadman"
    )


class MotionNode(CommandingNode):
    """Targets in, joint commands out."""

    Params = MotionParams
    priority = ProcessPriority.REAL_TIME
    phase_ns = 0

    def __init__(self) -> None:
        super().__init__("motion_node")
        self._guard = MotionGuard(self.cell, self.kinematics, self.params.require_deadman)
        if not self.params.require_deadman:
            self.get_logger().warning(
                "require_deadman is off: the arm moves without an operator; for simulation only"
            )
        if self.cell.allow_unsafe:
            self.get_logger().warning(
                f"beyond the bounds of safety values: {', '.join(self.cell.allow_unsafe)}"
            )
        self._periods = PeriodMonitor()
        self._missed = 0
        # What was heard since the last tick, for the next one.
        self._heard: list[Callable[[float], None]] = []
        self._target = self.create_publisher(PoseStamped, "motion/target", RELIABLE)
        self._state = self.create_publisher(DiagnosticStatus, "motion/state", RELIABLE)
        self._subscribe()
        for name in (Source.HOLD, Source.HOME, Source.POLICY, Source.REPLAY):
            self.create_service(Trigger, f"motion/{name.value}", self._selector(name))
        self.serve_stop(self._guard.emergency_stop)
        self.every(self.cell.motion.rate_hz, self._tick)
        self.every(_STATE_RATE_HZ, self._publish_state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """The guard's state and the regularity of its ticks."""
        state, periods = self._guard.state, self._periods.periods()
        figures = {
            **self._node_state().texts(),
            "period_p50_ms": f"{1e3 * periods.p50:.2f}",
            "period_p99_ms": f"{1e3 * periods.p99:.2f}",
            "period_max_ms": f"{1e3 * periods.max:.2f}",
            "missed_ticks": self._missed,
            "filter_unsolved": self._guard.unsolved,
        }
        levels = {Phase.NO_ARM: ERROR, Phase.STOPPED: ERROR, Phase.STOPPING: WARN}
        return levels.get(state.phase, OK), state.reason.value, figures

    def _subscribe(self) -> None:
        topic = "joint_states"
        if self.simulated_time:
            self._period_ns = round(1e9 / self.cell.motion.rate_hz)
            self._joints = StampedStream(self, JointState, topic, RELIABLE, self._period_ns)
        else:
            self.create_subscription(JointState, topic, self._on_joints, RELIABLE)
        self.create_subscription(PoseStamped, _TELEOP_TOPIC, self._on_teleop, RELIABLE)
        self.create_subscription(Bool, "safety/deadman", self._on_deadman, RELIABLE)
        for source, topic in _CHUNK_TOPICS.items():
            take = self._chunk_taker(source)
            self.create_subscription(MultiDOFJointTrajectory, topic, take, RELIABLE)

    def _on_joints(self, message: JointState) -> None:
        position, names = np.array(message.position), message.name
        self._heard.append(lambda now_s: self._guard.on_arm_status(now_s, position, names))

    def _on_deadman(self, message: Bool) -> None:
        self._heard.append(lambda now_s: self._guard.on_deadman(now_s, message.data))

    def _on_teleop(self, message: PoseStamped) -> None:
        tip = message.pose.position
        stamp_s = self.control_time(message.header.stamp)
        target = np.array([tip.x, tip.y])
        self._heard.append(lambda now_s: self._guard.on_teleop(now_s, stamp_s, target))

    def _chunk_taker(self, source: Source) -> Callable[[MultiDOFJointTrajectory], None]:
        def take(message: MultiDOFJointTrajectory) -> None:
            try:
                chunk = to_chunk(message, self.control_time(message.header.stamp))
            except ValueError as error:
                self.get_logger().error(
                    f"{_CHUNK_TOPICS[source]}: {error}", throttle_duration_sec=1.0
                )
                self._heard.append(lambda _: self._guard.on_malformed(source))
                return
            self._heard.append(lambda now_s: self._guard.on_chunk(now_s, chunk, source))

        return take

    def _tick(self) -> None:
        now, steady = self.now(), steady_seconds()
        self._missed += self._periods.age(steady) > 1.5 / self.cell.motion.rate_hz
        self._periods.tick(steady)
        self._take_in(now)
        target = self._guard.tick(now)
        if target is None:
            return
        stamp = self.stamp(now)
        self.command(stamp, target.position, target.velocity)
        self._target.publish(pose_message(self.kinematics.pusher_posture(self._guard.tip), stamp))

    def _take_in(self, now_s: float) -> None:
        """What has come since the last tick, in its order."""
        if self.simulated_time:
            for message in self._joints.until(to_nanoseconds(self.stamp(now_s)) - self._period_ns):
                self._on_joints(message)
        heard, self._heard = self._heard, []
        for note in heard:
            note(now_s)

    def _publish_state(self) -> None:
        for source, topic in ((Source.TELEOP, _TELEOP_TOPIC), *_CHUNK_TOPICS.items()):
            self._guard.on_publishers(source, self.count_publishers(topic))
        self._state.publish(motion_state_message(self._node_state()))

    def _node_state(self) -> MotionNodeState:
        state = self._guard.state
        return MotionNodeState(
            source=state.source.value,
            phase=state.phase.value,
            reason=state.reason.name.lower(),
            interventions=state.interventions,
            emergency_stop=self._guard.emergency_stop.cause or "released",
            require_deadman=self.params.require_deadman,
            allow_unsafe=", ".join(self.cell.allow_unsafe),
            message=state.reason.value,
        )

    def _selector(self, source: Source) -> _Handler:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            refusal = self._guard.select(source)
            response.success = refusal is None
            response.message = "" if refusal is None else refusal.value
            return response

        return handle


def main() -> None:
    """Run the node."""
    run_node(MotionNode)


if __name__ == "__main__":
    main()
