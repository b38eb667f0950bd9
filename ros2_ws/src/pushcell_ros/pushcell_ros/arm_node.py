"""Connects the arm: publishes its reports as ``/joint_states``, sends ``/arm/joint_command`` to it.

The node answers every report of the arm with a command. A simulated arm uses the same link as a
real one. While the arm is not connected or has a fault, there is no ``/joint_states``
and ``motion_node`` stops. When the arm is back, motion begins at its present position, and only
after you have selected a source again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.executors import Executor
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.arm import (
    IiwaLinkConfig,
    PluginLinkConfig,
    Ros2ControlLinkConfig,
    TrajectoryCommandConfig,
)
from pushcell.config.plugins import load_plugin
from pushcell.drivers.arm import ArmDriver, ArmFault
from pushcell.drivers.guarded_arm import GuardedArm
from pushcell.drivers.iiwa import IiwaDriver
from pushcell.drivers.lcm_url import in_namespace
from pushcell.drivers.ros2_control import Ros2ControlDriver
from pushcell.geometry import Array
from pushcell.launcher.domain import Role
from pushcell.processes.priority import ProcessPriority
from pushcell.timing import GridTick, PeriodMonitor, steady_seconds
from pushcell_ros.base_node import ERROR, OK, WARN, CellNode, run_node, running
from pushcell_ros.conversions import (
    joint_message,
    pose_message,
    positions_message,
    to_nanoseconds,
    to_seconds,
    to_sender,
    trajectory_message,
)
from pushcell_ros.params import parameter
from pushcell_ros.qos import NEWEST, RELIABLE, STALLED
from pushcell_ros.stamped_stream import StampedStream, taken

_SLOW = 0.9
_IDLE_S = 0.1  # in simulated time: until a step of the clock
_POLL_S = 0.002
# In simulated time a report was sent before the time was told; so long may it be on its way [ms].
_REPORT_MS = 200
_POSE_RATE_HZ = 50.0
_PEERS_RATE_HZ = 5.0


@dataclass(frozen=True)
class ArmParams:
    """Parameters of ``arm_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")


class ArmNode(CellNode):
    """One arm behind its last checks."""

    Params = ArmParams
    priority = ProcessPriority.REAL_TIME
    phase_ns = 0
    role = Role.ARM

    def __init__(self) -> None:
        super().__init__("arm_node")
        self._kinematics = ArmKinematics(self.cell)
        # LCM receives in a thread of its own, which must be as urgent as this one.
        self.priority.apply()
        # What simulated time needs of a link that is a topic: its reports up to a moment [ns].
        self._take_reports: Callable[[int], object] = lambda now_ns: None
        self._driver = self._make_driver()
        limits = self._kinematics.lower_rad, self._kinematics.upper_rad
        self._arm = GuardedArm(self.cell, self._driver, *limits)
        self._told: ArmFault | None = None
        # Of the arm's reports as many are told as the guard has ticks.
        self._told_joints = GridTick(self.cell.motion.rate_hz, 0, self._publish_joints)
        self._told_pose = GridTick(_POSE_RATE_HZ, 0, self._publish_pose)
        self._reports = PeriodMonitor()
        self._joints = self.create_publisher(JointState, "joint_states", RELIABLE)
        self._pusher = self.create_publisher(PoseStamped, "pusher/pose", RELIABLE)
        self.create_service(Trigger, "arm/reset", self._on_reset)
        topic = "arm/joint_command"
        if self.simulated_time:
            self._period_ns = round(1e9 / self.cell.motion.rate_hz)
            self._commands = StampedStream(self, JointState, topic, RELIABLE, self._period_ns)
            self.every(self.cell.arm.status_rate_hz, self._step_with_the_clock)
        else:
            self.create_subscription(JointState, topic, self._on_command, RELIABLE)

    def spin(self, executor: Executor) -> None:
        """See to ROS as events come, and look at the arm's link in between.

        Waiting is done on the ROS side: LCM would hold Python's lock while it waits.
        """
        with self._driver:
            try:
                while running():
                    executor.spin_once(timeout_sec=_IDLE_S if self.simulated_time else _POLL_S)
                    if not self.simulated_time:
                        self._step()
            finally:
                self._come_to_rest()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Rate and age of the arm's reports, and what is wrong."""
        arm, fault = self._arm, self._arm.fault
        figures = {
            "link": self.cell.arm.link.kind,
            "fault": fault.kind.name.lower() if fault else "none",
            "status_rate_hz": f"{self._reports.rate_hz():.1f}",
            "status_age_ms": f"{1e3 * self._reports.age(steady_seconds()):.1f}",
            "worst_following_error_rad": f"{arm.checks.worst_following_error_rad:.4f}",
            "worst_torque_share": f"{arm.checks.worst_torque_share:.3f}",
            "duplicate_reports": arm.duplicates,
            "commands_refused": arm.commands_refused,
        }
        if arm.waits_for is not None:
            return ERROR, arm.waits_for, figures
        if arm.commands_silent:
            return WARN, "the joints were stopped because commands stopped coming", figures
        expected_hz = self.cell.arm.status_rate_hz
        if not self.simulated_time and self._reports.rate_hz() < _SLOW * expected_hz:
            found = f"{self._reports.rate_hz():.0f} of {expected_hz:g} Hz"
            return WARN, f"the arm's reports come at {found}: see arm.status_rate_hz", figures
        return OK, "linked", figures

    def _make_driver(self) -> ArmDriver:
        link = self.cell.arm.link
        if isinstance(link, IiwaLinkConfig):
            wait_ms = _REPORT_MS if self.simulated_time else 0
            lcm = in_namespace(link.lcm, self.get_namespace())
            link = link.model_copy(update={"lcm": lcm})
            return IiwaDriver(link, int(os.environ.get("ROS_DOMAIN_ID", "0")), wait_ms)
        if isinstance(link, PluginLinkConfig):
            return load_plugin(link.driver, "arm.link.driver")(**link.options)
        return self._make_ros2_control(link)

    def _make_ros2_control(self, link: Ros2ControlLinkConfig) -> Ros2ControlDriver:
        command, joints = link.command, link.joints or self._kinematics.joint_names
        if isinstance(command, TrajectoryCommandConfig):
            publisher = self.create_publisher(JointTrajectory, command.topic, NEWEST)
            time_from_start_s = command.time_from_start_s

            def publish(position: Array) -> None:
                publisher.publish(trajectory_message(joints, position, time_from_start_s))
        else:
            publisher = self.create_publisher(Float64MultiArray, command.topic, NEWEST)

            def publish(position: Array) -> None:
                publisher.publish(positions_message(position))

        driver = Ros2ControlDriver(link, joints, publish)

        def hear(message: JointState) -> None:
            stamp = message.header.stamp
            stamp_s = self.control_time(stamp) if self.simulated_time else to_seconds(stamp)
            fields = message.name, message.position, message.velocity, message.effort
            driver.on_joint_states(stamp_s, *fields)

        def hear_all(first: JointState) -> None:
            # All that waits, of which the newest report counts: after a stall nobody wants the
            # older ones. A queue of one would lose it to a gripper that speaks just after the arm.
            hear(first)
            for message in taken(states):
                hear(message)

        def look_at_peers() -> None:
            listeners = publisher.get_subscription_count()
            driver.on_peers(listeners, self.count_publishers(command.topic))

        if self.simulated_time:
            period_ns = round(1e9 / self.cell.arm.status_rate_hz)
            reports = StampedStream(self, JointState, link.state_topic, STALLED, period_ns)
            self._take_reports = lambda now_ns: [hear(report) for report in reports.until(now_ns)]
        else:
            states = self.create_subscription(JointState, link.state_topic, hear_all, STALLED)
        self.every(_PEERS_RATE_HZ, look_at_peers)
        return driver

    def _step_with_the_clock(self) -> None:
        """In simulated time: what was commanded before this moment, and the report of it."""
        now_ns = to_nanoseconds(self.stamp())
        for message in self._commands.until((now_ns - 1) // self._period_ns * self._period_ns):
            self._on_command(message)
        self._take_reports(now_ns)
        self._step()

    def _step(self) -> None:
        """Hear the arm and answer it."""
        now_s = self.now()
        report = self._arm.step(now_s, steady_seconds())
        if self._arm.fault is not self._told:
            self._told = self._arm.fault
            if self._told is not None:
                self.get_logger().error(str(self._arm.waits_for))
            self._publish_diagnostics()
        if report is None:
            return
        self._reports.tick(steady_seconds())
        if self._arm.linked:
            self._report, self._report_stamp = report, self.stamp()
            for told in (self._told_joints, self._told_pose):
                told.heard(round(1e9 * report.time_s))

    def _publish_joints(self) -> None:
        report = self._report
        self._joints.publish(
            joint_message(
                self._report_stamp,
                self._kinematics.joint_names,
                report.position,
                report.velocity,
                report.torque,
            )
        )

    def _publish_pose(self) -> None:
        pose = self._kinematics.tip_pose(self._report.position)
        self._pusher.publish(pose_message(pose, self._report_stamp))

    def _come_to_rest(self) -> None:
        """Told to end, it leaves no joint moving."""
        began_s, control_s = steady_seconds(), self.now()
        while not self._arm.finish(control_s + steady_seconds() - began_s):
            time.sleep(_POLL_S)

    def _on_command(self, message: JointState) -> None:
        due_s = self.control_time(message.header.stamp)
        fields = np.array(message.position), np.array(message.velocity)
        self._arm.command(self.now(), due_s, *fields, *to_sender(message))

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        refusal = self._arm.reset()
        response.success, response.message = refusal is None, refusal or ""
        return response


def main() -> None:
    """Run the node."""
    run_node(ArmNode)


if __name__ == "__main__":
    main()
