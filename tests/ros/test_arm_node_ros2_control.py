"""arm_node and motion_node with an arm under ros2_control, for real: processes and topics."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from geometry_msgs.msg import PoseStamped  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import MultiDOFJointTrajectory  # noqa: E402

from pushcell.action_chunk import ActionChunk  # noqa: E402
from pushcell.arm.kinematics import ArmKinematics  # noqa: E402
from pushcell.config.cell import CellConfig, load_cell  # noqa: E402
from pushcell.launcher.domain import default_lock_folder, held_domain  # noqa: E402
from pushcell_ros.conversions import chunk_message, status_values, to_pose, to_stamp  # noqa: E402
from tests.conftest import ROOT  # noqa: E402

PATIENCE_S = 40.0
COMMANDS = {
    "positions": {"kind": "positions", "topic": "/forward_position_controller/commands"},
    "trajectory": {
        "kind": "trajectory",
        "topic": "/joint_trajectory_controller/joint_trajectory",
        "time_from_start_s": 0.01,
    },
}


class Graph:
    """The stand-in, arm_node and motion_node, and a person at their services."""

    def __init__(self, folder: Path, command: str, drop: float, domain: int) -> None:
        self.folder, self._domain, self._drop = folder, domain, drop
        self.cell_path = folder / "cell.yaml"
        values = yaml.safe_load((ROOT / "config" / "cell.ros2_control.yaml").read_text())
        values["arm"]["link"]["command"] = COMMANDS[command]
        # A machine that runs other tests as well may hold a process up this long.
        values["arm"].update(command_silence_s=0.1, following_error_rad=0.2)
        values["motion"].update(arm_status_age_s=1.0, command_silence_s=0.5, observation_age_s=0.5)
        values["motion"]["policy"]["speed_m_s"] = 0.15
        values["allow_unsafe"] = ["motion.arm_status_age_s"]
        self.cell_path.write_text(yaml.safe_dump(values))
        self.cell: CellConfig = load_cell(self.cell_path)
        self.kinematics = ArmKinematics(self.cell)
        self.home = np.array(self.cell.task.pusher_home_m)
        self.start = self.kinematics.home_joints(self.home + np.array([0.03, -0.05]))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.motion: dict[str, str] = {}
        self.arm: dict[str, str] = {}
        self.tip = self.target = np.full(2, np.nan)
        self._context = rclpy.Context()

    def __enter__(self) -> "Graph":
        rclpy.init(context=self._context, domain_id=self._domain)
        self.node = rclpy.create_node("person", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.node.create_subscription(DiagnosticStatus, "/motion/state", self._on_motion, 10)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.node.create_subscription(PoseStamped, "/pusher/pose", self._on_pose, 10)
        self.node.create_subscription(PoseStamped, "/motion/target", self._on_target, 10)
        self.chunks = self.node.create_publisher(MultiDOFJointTrajectory, "/policy/chunk", 10)
        start = [str(value) for value in self.start]
        script = [str(ROOT / "tests/ros/ros2_control_arm.py"), str(self.cell_path), self.record]
        try:
            self.run("stand_in", [*script, "--drop", str(self._drop), "--start", *start])
            self.run_nodes()
            self.wait(lambda: self.motion.get("phase") == "stopped", "the arm")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    @property
    def record(self) -> str:
        return str(self.folder / "wanted.npy")

    def wanted(self) -> np.ndarray:
        """(N, 8) what the arm's controller wanted; ends the stand-in."""
        self.processes["stand_in"].terminate()
        self.processes["stand_in"].wait(timeout=20)
        return np.load(self.record)

    def run_nodes(self) -> None:
        self.run_node("arm_node")
        self.run_node("motion_node", "-p", "require_deadman:=false")

    def run_node(self, name: str, *arguments: str) -> None:
        parameters = ["--ros-args", "-p", f"cell:={self.cell_path}", *arguments]
        self.run(name, ["-m", f"pushcell_ros.{name}", *parameters])

    def spin(self, duration_s: float) -> None:
        until = time.monotonic() + duration_s
        while time.monotonic() < until:
            self._executor.spin_once(timeout_sec=0.02)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, f"waited for {what}: {self.motion}, {self.arm}"
            self._executor.spin_once(timeout_sec=0.05)

    def call(self, service: str) -> Trigger.Response:
        client = self.node.create_client(Trigger, service)
        self.wait(client.service_is_ready, service)
        future = client.call_async(Trigger.Request())
        self.wait(future.done, f"an answer of {service}")
        self.node.destroy_client(client)
        return future.result()

    def release(self) -> None:
        """Release the emergency stop."""
        assert self.call("/safety/release").success
        self.wait(lambda: self.motion["emergency_stop"] == "released", "the release")

    def go_home(self) -> None:
        """Drive home, and be there."""
        response = self.call("/motion/home")
        assert response.success, response.message
        self.wait(lambda: self.motion["reason"] == "at_home", "the pusher at home")
        self.wait(lambda: np.linalg.norm(self.tip - self.home) < 2e-3, "the arm at home")

    def follow(self, offset: list[float], duration_s: float, sent_for_s: float) -> np.ndarray:
        """Send a chunk from home, rest to rest, again and again; returns its end (2,)."""
        share = np.linspace(0, 1, round(duration_s * 10) + 1)[:, None]
        positions = self.home + share**2 * (3 - 2 * share) * np.array(offset)
        assert self.call("/motion/policy").success
        self.wait(lambda: self.chunks.get_subscription_count() > 0, "who takes chunks")
        capture, until = time.time(), time.monotonic() + sent_for_s
        message = chunk_message(
            ActionChunk.at_rate(capture, capture, 10.0, positions), to_stamp(capture)
        )
        while time.monotonic() < until:
            self.chunks.publish(message)
            self.spin(0.05)
        return positions[-1]

    def run(self, name: str, arguments: list[str]) -> None:
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(self._domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(self.folder),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, *arguments]
        self.processes[name] = subprocess.Popen(command, cwd=ROOT, env=environment)

    def _on_motion(self, message: DiagnosticStatus) -> None:
        self.motion = status_values(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "arm_node":
                self.arm = {**status_values(status), "message": status.message}

    def _on_target(self, message: PoseStamped) -> None:
        self.target = to_pose(message).translation[:2]

    def _on_pose(self, message: PoseStamped) -> None:
        self.tip = to_pose(message).translation[:2]


@contextlib.contextmanager
def graph(folder: Path, command: str, drop: float = 0.0) -> Iterator[Graph]:
    environment = {"ROS_DOMAIN_ID": ""}
    with (
        held_domain(environment, default_lock_folder()) as domain,
        Graph(folder, command, drop, domain.number) as running,
    ):
        yield running


@pytest.mark.parametrize("command", list(COMMANDS))
def test_an_arm_under_ros2_control_goes_home_and_follows_a_chunk(tmp_path, command):
    with graph(tmp_path, command, drop=0.05) as cell:
        cell.release()
        cell.go_home()
        # Of 200 a second 5 % are dropped; the gripper that speaks just after costs none.
        cell.wait(lambda: float(cell.arm.get("status_rate_hz", 0)) > 120, "the arm's reports")
        end = cell.follow([0.0, -0.08], duration_s=1.0, sent_for_s=1.3)
        cell.wait(lambda: cell.motion["reason"] == "chunk_exhausted", "the chunk's end")
        cell.spin(0.5)
        assert np.linalg.norm(cell.tip - cell.target) < 1e-3, "the arm is where it was commanded"
        assert np.linalg.norm(cell.target - end) < 0.02
        assert cell.arm.get("fault") == "none", cell.arm
        limits = np.array(cell.cell.arm.joint_velocity_limits_rad_s)
        wanted, start = cell.wanted(), cell.start
    assert np.abs(wanted[0, 1:] - start).max() < 1e-9
    moved = np.ptp(wanted[:, 1:], axis=0)
    assert moved.max() > 0.1
    # Over five of the stand-in's periods: its own timer is not even.
    speed = np.abs(wanted[5:, 1:] - wanted[:-5, 1:]) / (wanted[5:, :1] - wanted[:-5, :1])
    assert (speed < limits).all()


def test_a_silent_arm_is_a_fault_until_a_person_resets_it(tmp_path):
    with graph(tmp_path, "positions") as cell:
        cell.release()
        cell.go_home()
        cell.processes["stand_in"].send_signal(signal.SIGSTOP)
        cell.wait(lambda: cell.arm.get("fault") == "silent", "the fault")
        cell.wait(lambda: cell.motion["reason"] == "arm_status_old", "motion_node's stop")
        assert not cell.call("/arm/reset").success
        cell.processes["stand_in"].send_signal(signal.SIGCONT)
        cell.spin(1.5)
        assert cell.arm.get("fault") == "silent", "it is not taken up again by itself"
        assert "/arm/reset" in cell.arm.get("message", "")
        assert cell.motion["phase"] == "no_arm"
        cell.wait(lambda: cell.call("/arm/reset").success, "the reset")
        cell.wait(lambda: cell.motion["phase"] == "holding", "the arm")
        cell.go_home()


def test_a_rival_under_the_commanders_name_ends_in_a_stop(tmp_path):
    with graph(tmp_path, "positions") as cell:
        cell.release()
        cell.go_home()
        rival = cell.node.create_publisher(JointState, "/arm/joint_command", 10)
        cell.node.create_subscription(
            JointState,
            "/arm/joint_command",
            lambda heard: cell.arm.get("fault") == "other_commander" or rival.publish(heard),
            10,
        )
        cell.wait(lambda: cell.arm.get("fault") == "other_commander", "the fault")
        cell.wait(lambda: cell.motion["phase"] == "no_arm", "motion_node's end")
        assert "somebody else commands the arm too" in cell.arm["message"]


def test_when_motion_node_dies_the_driver_stops_the_joints_by_itself(tmp_path):
    with graph(tmp_path, "positions") as cell:
        cell.release()
        cell.go_home()
        cell.follow([0.0, -0.16], duration_s=2.0, sent_for_s=1.0)
        cell.processes.pop("motion_node").kill()
        cell.wait(lambda: "stopped coming" in cell.arm.get("message", ""), "the driver's own stop")
        cell.spin(0.5)
        assert cell.arm.get("fault") == "none"
        wanted = cell.wanted()[:, 1:]
    steps = np.abs(np.diff(wanted, axis=0)).max(axis=1)
    assert (steps[-20:] == 0).all(), "it rests"
    steps = steps[steps > 0]
    assert np.median(steps[-60:-30]) > 3e-4, "it was moving"
    assert steps[-1] < 2e-4, "it did not stop at once"
