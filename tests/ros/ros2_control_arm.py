"""A stand-in for an arm under ros2_control: its topics, its order of joints, its habits.

What the controllers of ros2_control do is done here: a forward position controller ignores
commands of another size and keeps the last one for ever; a joint trajectory controller goes from
where it last wanted to be to the newest point in the time that this gives. The joints follow with
a lag. At its end it writes what the controller wanted, (N, 1 + 7): time [s], joints [rad].
"""

import argparse
import signal
import time
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from pushcell.config.arm import TrajectoryCommandConfig
from pushcell.config.cell import load_cell
from pushcell.processes.priority import ProcessPriority

RATE_HZ = 200.0
LAG_S = 0.01
FINGER = "finger_joint"


class StandIn(Node):
    """Seven joints and a finger that nobody moves."""

    def __init__(self, cell: Path, start: list[float], drop: float) -> None:
        super().__init__("stand_in")
        self._link = load_cell(cell).arm.link
        self._wanted = self._measured = np.array(start)
        self._segment: tuple[float, float, np.ndarray, np.ndarray] | None = None
        self._drop = drop
        self._random = np.random.default_rng(0)
        self.record: list[list[float]] = []
        command = self._link.command
        if isinstance(command, TrajectoryCommandConfig):
            self.create_subscription(JointTrajectory, command.topic, self._on_trajectory, 1)
        else:
            self.create_subscription(Float64MultiArray, command.topic, self._on_positions, 1)
        self._states = self.create_publisher(JointState, self._link.state_topic, 10)
        self._finger = self.create_publisher(JointState, self._link.state_topic, 10)
        self.create_timer(1.0 / RATE_HZ, self._update)

    def _on_positions(self, message: Float64MultiArray) -> None:
        if len(message.data) == len(self._link.joints):
            self._wanted = np.array(message.data)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        assert sorted(message.joint_names) == sorted(self._link.joints)
        (point,) = message.points
        goal = dict(zip(message.joint_names, point.positions, strict=True))
        now, duration = time.monotonic(), point.time_from_start.nanosec * 1e-9
        wanted = np.array([goal[name] for name in self._link.joints])
        self._segment = (now, now + duration, self._wanted, wanted)

    def _update(self) -> None:
        now = time.monotonic()
        if self._segment is not None:
            began, ends, start, goal = self._segment
            self._wanted = start + np.clip((now - began) / (ends - began), 0, 1) * (goal - start)
        self._measured = self._measured + (self._wanted - self._measured) / (RATE_HZ * LAG_S)
        self.record.append([now, *self._wanted])
        message = JointState(name=[FINGER, *reversed(self._link.joints)])
        message.header.stamp = self.get_clock().now().to_msg()
        message.position = [0.04, *reversed(self._measured.tolist())]
        message.velocity = [float("nan"), *[0.0] * 7]
        if self._random.random() >= self._drop:
            self._states.publish(message)
        # Some grippers have a broadcaster of their own on the same topic.
        self._finger.publish(JointState(name=[FINGER], position=[0.04]))


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cell", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("--start", type=float, nargs=7, required=True)
    parser.add_argument("--drop", type=float, default=0.0)
    options = parser.parse_args()
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    ProcessPriority.REAL_TIME.apply()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = StandIn(options.cell, options.start, options.drop)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not ended:
        executor.spin_once(timeout_sec=0.1)
    np.save(options.record, np.array(node.record))


if __name__ == "__main__":
    main()
