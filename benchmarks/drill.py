"""The node graph for fault drills: its processes, an operator, and a watch on the arm's link."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from drake import lcmt_iiwa_status
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header, String
from std_srvs.srv import Trigger

from benchmarks.rivals import LcmRival, Rival
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.arm import Ros2ControlLinkConfig
from pushcell.config.cell import load_cell
from pushcell.drivers.lcm_link import open_lcm
from pushcell.drivers.lcm_url import instance_url
from pushcell.errors import PushcellError
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.processes.priority import ProcessPriority
from pushcell.shipped import CELLS
from pushcell_ros.conversions import pose_message, status_values, to_seconds, to_stamp

ROOT = Path(__file__).resolve().parent.parent
CELL = ROOT / "config" / "cell.sim.yaml"
DOMAIN = 84
ASIDE = PlanarPose(0.62, -0.22, 0.0)
_DEADMAN_PERIOD_S = 0.02
# A node that was started imports for long on a busy machine.
_STARTING_S = 180.0
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

_SIM_TIME = ("use_sim_time", True)
PROCESSES: dict[str, tuple[list[str], list[tuple[str, object]]]] = {
    "cell_node": (["-m", "pushcell_ros.cell_node"], []),
    "render_node": (["-m", "pushcell_ros.render_node"], [_SIM_TIME, ("live_view", False)]),
    "arm_node": (["-m", "pushcell_ros.arm_node"], [_SIM_TIME]),
    "motion_node": (["-m", "pushcell_ros.motion_node"], [_SIM_TIME]),
    "policy_node": (["-m", "benchmarks.exerciser_node"], [_SIM_TIME]),
}


class Drill:
    """Starts the graph; a context manager that leaves no process behind.

    Simulated time waits up to ``patience_s`` for a node that does not answer: so long may the load
    of a busy machine hold it up without being a fault of its own.
    """

    def __init__(self, patience_s: float, cell: str | Path = CELL) -> None:
        self._patience_s = patience_s
        self._cell_path = CELLS.find(cell)
        self.cell = load_cell(self._cell_path)
        self.kinematics = ArmKinematics(self.cell)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.extra: list[subprocess.Popen[bytes]] = []
        self.deadman: bool | None = True
        self.motion: dict[str, str] = {}
        # (simulated time [s], measured joints (n,)) of every report on the link
        self.reports: list[tuple[float, Array]] = []
        # Which report was the last one before the fault.
        self.struck = 0
        self.rivals: list[Rival | LcmRival] = []
        self._deadman_due_s = 0.0

    def __enter__(self) -> Drill:
        # Ended from outside, too, it leaves no process behind.
        self._before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
        # The middleware's threads inherit it, the nodes must not.
        ProcessPriority.REAL_TIME.apply()
        rclpy.init(domain_id=DOMAIN)
        self._connect()
        ProcessPriority.REAL_TIME.apply(for_children=False)
        for name in PROCESSES:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_extra()
        for name in self.processes:
            self.kill(name)
        # Else its stop switch would stay pressed for the next drill of this process.
        self.node.destroy_node()
        rclpy.shutdown()
        ProcessPriority.NORMAL.apply()
        signal.signal(signal.SIGTERM, self._before)

    # Processes

    def start(self, name: str) -> None:
        """Start a node's process."""
        self.processes[name] = self.spawn(name)

    def spawn(self, name: str) -> subprocess.Popen[bytes]:
        """Another process of a node."""
        program, parameters = PROCESSES[name]
        if name == "cell_node":
            parameters = [("patience_s", self._patience_s)]
        words = [f"{key}:={str(value).lower()}" for key, value in parameters]
        arguments = [word for pair in words for word in ("-p", pair)]
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(DOMAIN),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "config" / "fastdds.xml"),
            "OMP_NUM_THREADS": "1",
        }
        command = [
            sys.executable,
            *program,
            "--ros-args",
            "-p",
            f"cell:={self._cell_path}",
            *arguments,
        ]
        return subprocess.Popen(command, cwd=ROOT, env=environment)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a node."""
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """kill -9."""
        self.processes[name].kill()
        self.processes[name].wait()

    def hold(self, name: str, duration_s: float) -> None:
        """Stop a node's process for so long of simulated time, and let it go on.

        Simulated time would wait for it: it is told that the node has nothing to do till then.
        """
        word = Header(frame_id=f"/{name} {self.processes[name].pid}")
        until_s = self.ros_s + duration_s
        word.stamp = to_stamp(until_s)
        self.signal(name, signal.SIGSTOP)
        deadline = time.monotonic() + 10 * duration_s + 2 * self._patience_s
        while self.ros_s < until_s - 1e-6 and time.monotonic() < deadline:
            self._done_publisher.publish(word)
            self.run(0.01)
        self.signal(name, signal.SIGCONT)

    def join(self, rival: Rival | LcmRival) -> None:
        """Somebody else speaks from now on; the fault begins when it is heard of."""
        self.wait_for(rival.is_heard, _STARTING_S, "somebody who listens to a rival")
        self.rivals.append(rival)
        self.mark()

    def mark(self) -> None:
        """The fault strikes now."""
        self.struck = len(self.reports) - 1

    def stop_extra(self) -> None:
        """End what a fault started beside the graph."""
        while self.rivals:
            self.rivals.pop().leave()
        for process in self.extra:
            process.kill()
            process.wait()
        self.extra.clear()

    # Time passes

    def run(self, duration_s: float) -> None:
        """Watch for a while of steady time; the operator holds the deadman as told."""
        until = time.monotonic() + duration_s
        while (now := time.monotonic()) < until:
            if self.deadman is not None and now >= self._deadman_due_s:
                self._deadman_due_s = now + _DEADMAN_PERIOD_S
                self._deadman_publisher.publish(Bool(data=self.deadman))
            for rival in self.rivals:
                rival.speak()
            self._executor.spin_once(timeout_sec=0.002)
            if self.lcm is not None:
                self.lcm.HandleSubscriptions(0)

    def run_simulated(self, duration_s: float) -> None:
        """Watch for a while of simulated time, as the arm reports it, or until it is gone."""
        until_s = self.reports[-1][0] + duration_s
        deadline = time.monotonic() + 4 * duration_s + 2 * self._patience_s
        while self.reports[-1][0] < until_s and time.monotonic() < deadline:
            self.run(0.02)

    def watch_anew(self, duration_s: float) -> None:
        """Forget what was seen on the link, and watch it for a while of simulated time."""
        self.reports.clear()
        self.wait_for(lambda: bool(self.reports), _STARTING_S, "the arm's reports")
        self.run_simulated(duration_s)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Watch until a condition holds; PushcellError otherwise."""
        until = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > until:
                raise PushcellError(f"the drill waited in vain for {what}; motion: {self.motion}")
            self.run(0.02)

    def call(self, service: str) -> Trigger.Response:
        """Call one of the graph's services."""
        client = self._clients[service]
        for _ in range(15):
            self.wait_for(client.service_is_ready, _STARTING_S, service)
            future = client.call_async(Trigger.Request())
            # A node that was killed still seems to be there for a while, but does not answer.
            until = time.monotonic() + 1.0
            while not future.done() and time.monotonic() < until:
                self.run(0.02)
            if future.done():
                return future.result()
        raise PushcellError(f"{service} does not answer")

    # What the drill does

    def set_moving(self) -> None:
        """Bring the whole graph up and the pusher to speed, whatever happened before."""
        self.stop_extra()
        self.deadman = True
        self.set_fault("")
        self.press_stop(False)
        for name, process in self.processes.items():
            if process.poll() is not None:
                self.start(name)
            self.signal(name, signal.SIGCONT)
        self.motion.clear()
        self.wait_for(self._has_arm, _STARTING_S, "the arm")
        self._slider_publisher.publish(
            pose_message(Pose.from_planar(ASIDE), to_stamp(self.reports[-1][0]))
        )
        self.wait_for(
            lambda: self.call("/safety/release").success, _STARTING_S, "the stop's release"
        )
        self.wait_for(lambda: self._follows("home", "at_home"), _STARTING_S, "the pusher at home")
        self.wait_for(lambda: self._follows("policy", "none"), _STARTING_S, "motion")
        self.run(1.6)

    def set_fault(self, fault: str) -> None:
        """Have the exerciser break its contract."""
        self._fault_publisher.publish(String(data=fault))

    def press_stop(self, pressed: bool) -> None:
        """Press or let go of the emergency stop."""
        self._stop_publisher.publish(Bool(data=pressed))

    def jump_clock(self, by_s: float) -> None:
        """Another time on /clock, as often as it takes to be heard between the true one's words."""
        wrong = Clock(clock=to_stamp(self.ros_s + by_s))
        for _ in range(10):
            self._clock_publisher.publish(wrong)
            self.run(0.003)

    def tips(self) -> tuple[Array, Array]:
        """Simulated times (N,) and measured tips (N, 2) of every report."""
        times = np.array([time_s for time_s, _ in self.reports])
        return times, np.array(
            [self.kinematics.tip_pose(q).translation[:2] for _, q in self.reports]
        )

    def _has_arm(self) -> bool:
        """Whether motion_node knows the arm; faults of its link are reset until it does."""
        if self.motion.get("phase", "no_arm") == "no_arm":
            self.call("/arm/reset")
            self.run(0.5)
        return self.motion.get("phase", "no_arm") != "no_arm"

    def _released(self) -> bool:
        return bool(self.call("/safety/release").success)

    def _follows(self, source: str, reason: str) -> bool:
        """Whether a source has come as far as a reason; it is selected until that is granted.

        A node that was just started hears the operator a moment later, and one that was just
        killed is forgotten later still.
        """
        if not self._has_arm():
            return False
        if self.motion["reason"] != reason and self.motion["source"] != source:
            self.call(f"/motion/{source}")
            self.run(0.3)
        return self.motion["reason"] == reason

    def _connect(self) -> None:
        self.node = node = rclpy.create_node("drill")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        node.create_subscription(DiagnosticStatus, "/motion/state", self._on_motion, 10)
        node.create_subscription(Clock, "/clock", self._on_clock, 10)
        self.ros_s = 0.0
        self._deadman_publisher = node.create_publisher(Bool, "/safety/deadman", 10)
        self._stop_publisher = node.create_publisher(Bool, "/safety/estop", _LATCHED)
        self._fault_publisher = node.create_publisher(String, "/exerciser/fault", _LATCHED)
        self._slider_publisher = node.create_publisher(PoseStamped, "/trial/start_pose", 10)
        self._done_publisher = node.create_publisher(Header, "/cell/done", _LATCHED)
        self._clock_publisher = node.create_publisher(Clock, "/clock", 10)
        names = ("/arm/reset", "/motion/home", "/motion/policy", "/safety/release")
        self._clients = {name: node.create_client(Trigger, name) for name in names}
        self._watch_link(node)

    def _watch_link(self, node: Node) -> None:
        link = self.cell.arm.link
        self.lcm = None
        if isinstance(link, Ros2ControlLinkConfig):
            node.create_subscription(JointState, link.state_topic, self._on_joint_state, 1000)
            return
        self.lcm_address = link.lcm.url.split("/")[2].split(":")[0]
        self.lcm = open_lcm(instance_url(link.lcm.url, DOMAIN))
        self.lcm.Subscribe(link.lcm.status_channel, self._on_status)

    def _on_motion(self, message: DiagnosticStatus) -> None:
        self.motion = status_values(message)

    def _on_clock(self, message: Clock) -> None:
        self.ros_s = message.clock.sec + message.clock.nanosec * 1e-9

    def _on_joint_state(self, message: JointState) -> None:
        self.reports.append((to_seconds(message.header.stamp), np.array(message.position)))

    def _on_status(self, data: bytes) -> None:
        status = lcmt_iiwa_status.decode(data)
        self.reports.append((status.utime * 1e-6, np.array(status.joint_position_measured)))
