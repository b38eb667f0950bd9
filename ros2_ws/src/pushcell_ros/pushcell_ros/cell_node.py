"""The simulated cell: arm, slider and table behind the arm's own wire, in paced simulated time."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass

from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import PoseStamped
from rclpy.executors import Executor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from pushcell.config_arm import IiwaLinkConfig
from pushcell.drivers.lcm_url import lcm_url
from pushcell.errors import ConfigError
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.arm_endpoint import SimulatedArmEndpoint
from pushcell.simulation.pacing import Lockstep, Pacer
from pushcell.timing import steady_seconds
from pushcell.urgency import Urgency
from pushcell_ros.base_node import HEARTBEAT_TOPIC, OK, WARN, CellNode, run_node, running
from pushcell_ros.conversions import pose_message, scene_message, to_planar, to_seconds
from pushcell_ros.params import parameter

_GOOD_REAL_TIME_FACTOR = 0.95
# Nodes beat at 100 Hz; this is below the shortest watchdog.
_MAX_LEAD_S = 0.035
_POLL_S = 0.002


@dataclass(frozen=True)
class SimulatedCellParams:
    """Parameters of ``cell_node``."""

    cell: str = parameter("", "path of the cell's YAML file")
    patience_s: float = parameter(
        1.0, "how long simulated time waits for a node that a busy machine holds up [s]"
    )


class SimulatedCellNode(CellNode):
    """Steps the world as fast as real time allows, never faster, and publishes its clock."""

    Params = SimulatedCellParams
    urgency = Urgency.REAL_TIME

    def __init__(self) -> None:
        super().__init__("cell_node")
        self._world = ArmCell(self.cell)
        link = self.cell.arm.link
        if not isinstance(link, IiwaLinkConfig):
            raise ConfigError(
                f"arm.link.kind = {link.kind!r}: cell_node simulates an arm on the wire of an "
                "iiwa, allowed: 'iiwa'"
            )
        url = lcm_url(link.lcm, int(os.environ.get("ROS_DOMAIN_ID", "0")))
        # LCM receives in a thread of its own, which must be as urgent as this one.
        self.urgency.apply()
        self._endpoint = SimulatedArmEndpoint(
            self._world, url, link.lcm.status_channel, link.lcm.command_channel
        )
        self._pacer = Pacer()
        self._waited_s: defaultdict[str, float] = defaultdict(float)
        self._lockstep = Lockstep(_MAX_LEAD_S, self.params.patience_s)
        # Simulated time begins at the hour it is, so that records sort where they belong. It is
        # counted in whole nanoseconds: timers of a period must find every one of its steps.
        self._now_ns = time.time_ns()
        self._step_ns = round(1e9 / self.cell.arm.status_rate_hz)
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10)
        self._last_word = Clock(clock=self._stamp_now())
        self._pose = self.create_publisher(PoseStamped, "/slider/true_pose", 10)
        self._scene = self.create_publisher(JointState, "/cell/scene", 10)
        self.create_subscription(Header, HEARTBEAT_TOPIC, self._on_heartbeat, 50)
        self.create_subscription(PoseStamped, "/trial/start_pose", self._on_start_pose, 10)

    def spin(self, executor: Executor) -> None:
        """One step of the arm's status period at a time."""
        simulation = self.cell.simulated
        clock_every = _steps(self.cell.arm.status_rate_hz, simulation.clock_rate_hz)
        state_every = _steps(self.cell.arm.status_rate_hz, simulation.state_rate_hz)
        steps = 0
        while running():
            self._endpoint.step()
            self._now_ns += self._step_ns
            steps += 1
            if steps % clock_every == 0:
                self._publish_clock()
            if steps % state_every == 0:
                self._publish_state()
            self._pacer.stepped(self._step_ns * 1e-9)
            self._wait(executor)

    def _wait(self, executor: Executor) -> None:
        """Until the next step is due and every node has come along; at least one event is seen."""
        patience_s = 0.0
        while True:
            executor.spin_once(timeout_sec=max(self._pacer.remaining_s, patience_s))
            held_up = self._lockstep.waits_for(self._simulated_s, steady_seconds())
            if not running() or (held_up is None and self._pacer.remaining_s == 0):
                return
            if held_up is not None:
                # It may have missed the last word, and needs the processor more than we do. A later
                # time would take that word's place before others have heard it.
                self._clock_publisher.publish(self._last_word)
                patience_s = _POLL_S
                self._waited_s[held_up] += _POLL_S
            else:
                patience_s = 0.0

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How fast simulated time passes."""
        factor = self._pacer.real_time_factor
        figures = {
            "real_time_factor": f"{factor:.3f}",
            "commands_refused": self._endpoint.refused,
            **{f"waited_for_{name}_s": f"{waited:.1f}" for name, waited in self._waited_s.items()},
        }
        if factor < _GOOD_REAL_TIME_FACTOR:
            return WARN, "simulated time passes more slowly than real time", figures
        return OK, "simulated time keeps real time", figures

    def _publish_clock(self) -> None:
        self._last_word = Clock(clock=self._stamp_now())
        self._clock_publisher.publish(self._last_word)

    @property
    def _simulated_s(self) -> float:
        return self._now_ns * 1e-9

    def _stamp_now(self) -> TimeMsg:
        return TimeMsg(sec=self._now_ns // 10**9, nanosec=self._now_ns % 10**9)

    def _on_heartbeat(self, message: Header) -> None:
        self._lockstep.heard(message.frame_id, to_seconds(message.stamp), steady_seconds())

    def _publish_state(self) -> None:
        stamp, slider = self._stamp_now(), self._world.slider_pose_in_space
        self._pose.publish(pose_message(slider, stamp))
        self._scene.publish(scene_message(stamp, self._world.joint_positions, slider))

    def _on_start_pose(self, message: PoseStamped) -> None:
        self._world.place_slider(to_planar(message))


def _steps(base_rate_hz: float, rate_hz: float) -> int:
    """How many steps of the base rate make a period of the other."""
    return max(1, round(base_rate_hz / rate_hz))


def main() -> None:
    """Run the node."""
    run_node(SimulatedCellNode)


if __name__ == "__main__":
    main()
