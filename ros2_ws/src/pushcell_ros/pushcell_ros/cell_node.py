"""The simulated cell: physics of arm, slider and table, the arm's link, simulated time."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from dataclasses import dataclass

from geometry_msgs.msg import PoseStamped
from rclpy.executors import Executor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String

from pushcell.config.arm import IiwaLinkConfig, Ros2ControlLinkConfig
from pushcell.drivers.lcm_url import in_namespace, lcm_url
from pushcell.errors import ConfigError
from pushcell.launcher.domain import Role
from pushcell.processes.priority import ProcessPriority
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.arm_endpoint import SimulatedArmEndpoint
from pushcell.simulation.barrier import PATIENCE_S, TimeBarrier
from pushcell.simulation.pacing import Pacer, parse_rate
from pushcell.timing import steady_seconds
from pushcell_ros.base_node import (
    CLOCK_TOPIC,
    DONE_TOPIC,
    ERROR,
    LOST_TOPIC,
    OK,
    WARN,
    CellNode,
    run_node,
    running,
)
from pushcell_ros.conversions import (
    pose_message,
    scene_message,
    to_nanoseconds,
    to_planar,
    to_time,
)
from pushcell_ros.params import parameter
from pushcell_ros.qos import EVERYBODY_LATCHED, LATCHED, RELIABLE
from pushcell_ros.simulated_controllers import SimulatedControllers

_GOOD_REAL_TIME_FACTOR = 0.95
# A word that nobody answers is said again after so long: it may have been lost [s].
_REPEAT_S = 0.1


@dataclass(frozen=True)
class SimulatedCellParams:
    """Parameters of ``cell_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    participants: str = parameter(
        "", "nodes that simulated time waits for at the start, separated by spaces"
    )
    patience_s: float = parameter(
        PATIENCE_S,
        "how long simulated time waits for a node that does not answer [s of real time]",
        least=0.0,
    )
    time_step_s: float = parameter(0.0, "time step [s]; 0: as in the cell file", least=0.0)
    rate: str = parameter("1", "highest speed, as a multiple of real time; max: no limit")


class SimulatedCellNode(CellNode):
    """Steps the world as fast as its participants and the asked rate allow, and tells the time."""

    Params = SimulatedCellParams
    priority = ProcessPriority.REAL_TIME
    role = Role.CELL

    def __init__(self) -> None:
        super().__init__("cell_node")
        self._pacer = Pacer(parse_rate(self.params.rate))
        self._world = ArmCell(self.cell, self.params.time_step_s or None)
        self._endpoint = self._make_endpoint()
        self._waited_s: defaultdict[str, float] = defaultdict(float)
        self._barrier = TimeBarrier(self.params.patience_s)
        self._waits_for = ""
        # Simulated time begins at the hour it is, so that records sort where they belong, with a
        # whole second. It is counted in whole nanoseconds: ticks must find every one of its steps.
        self._now_ns = self._world_ns = time.time_ns() // 10**9 * 10**9
        self._step_ns = round(1e9 / self.cell.arm.status_rate_hz)
        self._clock_publisher = self.create_publisher(Clock, CLOCK_TOPIC, RELIABLE)
        self._lost = self.create_publisher(String, LOST_TOPIC, LATCHED)
        self._pose = self.create_publisher(PoseStamped, "slider/true_pose", RELIABLE)
        self._scene = self.create_publisher(JointState, "cell/scene", RELIABLE)
        self.create_subscription(Header, DONE_TOPIC, self._on_done, EVERYBODY_LATCHED)
        self.create_subscription(PoseStamped, "trial/start_pose", self._on_start_pose, RELIABLE)

    def spin(self, executor: Executor) -> None:
        """Tell the time of the world's next step, or the moment before that is asked for."""
        self._await_participants(executor)
        state_every_ns = round(1e9 / self.cell.simulated.state_rate_hz)
        while running():
            horizon_ns = self._barrier.horizon_ns
            step_ns = self._world_ns + self._step_ns
            if horizon_ns is None or horizon_ns >= step_ns:
                self._endpoint.step()
                self._now_ns = self._world_ns = step_ns
                if step_ns % state_every_ns == 0:
                    self._publish_state()
                self._pacer.stepped(self._step_ns * 1e-9)
            else:
                self._now_ns = horizon_ns
            self._clock_publisher.publish(Clock(clock=to_time(self._now_ns)))
            self._wait(executor)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How fast simulated time passes, and for whom it waited."""
        factor = self._pacer.real_time_factor
        figures = {
            "real_time_factor": f"{factor:.3f}",
            "commands_refused": self._endpoint.refused,
            **{f"waited_for_{name}_s": f"{waited:.1f}" for name, waited in self._waited_s.items()},
        }
        if self._waits_for:
            return WARN, self._waits_for, figures
        if self._barrier.lost:
            return ERROR, self._who_is_lost(), figures
        if factor < _GOOD_REAL_TIME_FACTOR * min(1.0, self._pacer.rate):
            return WARN, "simulated time passes more slowly than real time", figures
        return OK, "simulated time keeps real time", figures

    def _make_endpoint(self) -> SimulatedArmEndpoint | SimulatedControllers:
        link = self.cell.arm.link
        if isinstance(link, Ros2ControlLinkConfig):
            return SimulatedControllers(
                self, self._world, link, lambda: to_time(self._world_ns + self._step_ns)
            )
        if not isinstance(link, IiwaLinkConfig):
            raise ConfigError(
                f"arm.link.kind = {link.kind!r}: cell_node simulates an arm on the link of an "
                "iiwa or behind ros2_control, allowed: 'iiwa', 'ros2_control'"
            )
        lcm = in_namespace(link.lcm, self.get_namespace())
        url = lcm_url(lcm, int(os.environ.get("ROS_DOMAIN_ID", "0")))
        # LCM receives in a thread of its own, which must be as urgent as this one.
        self.priority.apply()
        return SimulatedArmEndpoint(self._world, url, lcm.status_channel, lcm.command_channel)

    def _await_participants(self, executor: Executor) -> None:
        """Tell the first moment until everybody has heard of it: so all runs begin alike."""
        told_s = -math.inf
        while running() and (missing := self._missing()):
            if steady_seconds() - told_s > _REPEAT_S:
                told_s = steady_seconds()
                self._clock_publisher.publish(Clock(clock=to_time(self._now_ns)))
            self._waits_for = f"simulated time begins when {', '.join(missing)} takes part"
            executor.spin_once(timeout_sec=_REPEAT_S)
        self._waits_for = ""

    def _missing(self) -> list[str]:
        heard = {name.rpartition("/")[2] for name in self._barrier.names}
        return [name for name in self.params.participants.split() if name not in heard]

    def _wait(self, executor: Executor) -> None:
        """Until all have done with this moment and the next is due; handles events meanwhile."""
        said_s = repeated_s = steady_seconds()
        # Whoever has not yet been heard of is heard at whatever rate.
        executor.spin_once(timeout_sec=0.0)
        while running():
            behind = self._barrier.waits_for(self._now_ns)
            remaining_s = self._pacer.remaining_s
            if not behind and remaining_s == 0:
                self.take_in()
                self._endpoint.hear()
                return
            before_s = steady_seconds()
            executor.spin_once(timeout_sec=_REPEAT_S if behind else min(remaining_s, _REPEAT_S))
            now_s = steady_seconds()
            for name in behind:
                self._waited_s[name.strip("/")] += now_s - before_s
            if behind and now_s - repeated_s > _REPEAT_S:
                self._clock_publisher.publish(Clock(clock=to_time(self._now_ns)))
                repeated_s = now_s
                self._give_up(said_s, now_s)

    def _give_up(self, said_s: float, now_s: float) -> None:
        before = dict(self._barrier.lost)
        self._barrier.give_up(self._now_ns, said_s, now_s)
        if self._barrier.lost != before:
            self.get_logger().error(f"{self._who_is_lost()}: time goes on without it")
            self._publish_lost()

    def _who_is_lost(self) -> str:
        lost = self._barrier.lost.items()
        return "; ".join(f"{name.strip('/')} {what}" for name, what in lost)

    def _publish_lost(self) -> None:
        self._lost.publish(String(data=self._who_is_lost()))

    def _on_done(self, message: Header) -> None:
        name, pid = message.frame_id.split()
        was_lost = name in self._barrier.lost
        self._barrier.heard(name, int(pid), to_nanoseconds(message.stamp), steady_seconds())
        if was_lost:
            self._publish_lost()

    def _publish_state(self) -> None:
        stamp, slider = to_time(self._now_ns), self._world.slider_pose_in_space
        self._pose.publish(pose_message(slider, stamp))
        self._scene.publish(
            scene_message(stamp, self._world.joint_names, self._world.joint_positions, slider)
        )

    def _on_start_pose(self, message: PoseStamped) -> None:
        self._world.place_slider(to_planar(message))


def main() -> None:
    """Run the node."""
    run_node(SimulatedCellNode)


if __name__ == "__main__":
    main()
