"""Drives a recorded path of the pusher again through the motion guard; measures the deviation."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.client import Client
from rclpy.executors import Executor
from rich.console import Console
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from pushcell.errors import EpisodeError, PushcellError
from pushcell.geometry import PlanarPose, Pose
from pushcell.node_states import MOTION_UNHEARD
from pushcell.replay.recording import Recording
from pushcell.replay.repeatability import Repeatability, table
from pushcell.replay.result import Track
from pushcell.replay.samples import SampleReader
from pushcell.replay.trajectory import SENT_RATE_HZ, Trajectory
from pushcell_ros.base_node import OK, CellNode, NodeExit, run_node, wait_until
from pushcell_ros.conversions import chunk_message, pose_message, to_motion_state, to_planar
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import RELIABLE

_GRAPH_TIMEOUT_S = 60.0
_PATIENCE_S = 600.0  # a person has to hold the deadman
_PLACINGS = 3


@dataclass(frozen=True)
class TrajectoryReplayParams:
    """Parameters of ``trajectory_replay_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    recording: str = parameter("", "an episode, the folder of a bag, or a bag file")
    runs: int = parameter(1, "number of times to drive the path", least=1)
    simulated: bool = parameter(
        False, "release the stop and place the slider as recorded; only for simulation"
    )


class TrajectoryReplayNode(CellNode):
    """Home, then slowly to the way's beginning, then along it in its own time; again and again."""

    Params = TrajectoryReplayParams

    def __init__(self) -> None:
        super().__init__("trajectory_replay_node")
        with Recording(Path(self.params.recording), self.cell) as recording:
            self._trajectory = Trajectory.of(recording)
            self._slider = _first_slider(recording)
        self._motion = MOTION_UNHEARD
        self._pusher: PlanarPose | None = None
        self._now_on: Trajectory | None = None
        self._track, self._track_from_s = Track(), 0.0
        self._chunks = self.create_publisher(MultiDOFJointTrajectory, "replay/chunk", RELIABLE)
        self._start = self.create_publisher(PoseStamped, "trial/start_pose", RELIABLE)
        self.create_subscription(PoseStamped, "pusher/pose", self._on_pusher, RELIABLE)
        self.create_subscription(DiagnosticStatus, "motion/state", self._on_motion, RELIABLE)
        self._home, self._replay, self._release, self._hold = (
            self.create_client(Trigger, live(name))
            for name in ("/motion/home", "/motion/replay", "/safety/release", "/motion/hold")
        )
        self._sent_s = -math.inf
        # More often than it is sent: a timer may miss a step of simulated time.
        self.every(2 * SENT_RATE_HZ, self._send)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Whether it drives."""
        return OK, "waiting" if self._now_on is None else "driving", {}

    def spin(self, executor: Executor) -> None:
        """All runs, then the table; exit code 0 when none was stopped, 1 otherwise."""
        self._executor = executor
        self._wait(
            lambda: self._pusher is not None and self._motion.phase != "no_arm",
            _GRAPH_TIMEOUT_S,
            "the cell did not come up: it needs arm_node and motion_node; see their output above",
        )
        if self.params.simulated:
            self._ask(self._release, "/safety/release")
        found = Repeatability(self._trajectory)
        for _ in range(self.params.runs):
            self._go_home()
            self._place_slider()
            found.add(self._drive())
            if not self._driving():
                found.stops.append(self._motion.message)
            self._ask(self._hold, "/motion/hold")
        figures = found.figures()
        Console(width=100).print(table(figures))
        folder = Path(os.environ.get("PUSHCELL_RUN_DIR", "."))
        (folder / "trajectory_replay.json").write_text(json.dumps(figures, indent=2) + "\n")
        raise NodeExit(int(bool(found.stops)))

    def _drive(self) -> Track:
        """One run; its track's times count from the way's own beginning."""
        assert self._pusher is not None
        self._track = Track()
        whole = self._trajectory.reached_from(self._pusher.position)
        approach_s = self._trajectory.start_s - whole.start_s
        self._now_on = whole.starting_at(self.now())
        self._track_from_s = self._now_on.start_s + approach_s
        self._ask(self._replay, "/motion/replay")
        self._wait(self._driving, 5.0, "motion_node does not follow the replay")
        end_s = self._now_on.end_s - 0.05
        self._wait(
            lambda: not self._driving() or self.now() >= end_s,
            _PATIENCE_S,
            "the run hung: simulated time stands still",
        )
        self._now_on = None
        return self._track

    def _driving(self) -> bool:
        return self._motion.source == "replay"

    def _go_home(self) -> None:
        self._ask(self._home, "/motion/home")
        self._wait(
            lambda: self._motion.reason == "at_home",
            _GRAPH_TIMEOUT_S,
            lambda: f"the pusher did not get home: motion_node says {self._motion.message!r}",
        )

    def _place_slider(self) -> None:
        """A simulated slider goes where it was; a real one is put there by hand."""
        if self._slider is None or not self.params.simulated:
            return
        until_s = self.now() + 0.5
        for _ in range(_PLACINGS):
            self._start.publish(pose_message(Pose.from_planar(self._slider), self.stamp()))
            self._executor.spin_once(timeout_sec=0.05)
        self._wait(lambda: self.now() > until_s, _GRAPH_TIMEOUT_S, "simulated time stands still")

    def _send(self) -> None:
        now_s = self.now()
        if self._now_on is None or now_s - self._sent_s < 0.99 / SENT_RATE_HZ:
            return
        chunk = self._now_on.chunk(now_s)
        if chunk is not None:
            self._sent_s = now_s
            self._chunks.publish(chunk_message(chunk, self.stamp(chunk.capture_s)))

    def _ask(self, client: Client, name: str) -> None:
        """Until it is granted: a person may have to hold the deadman first."""
        told = ""

        def granted() -> bool:
            nonlocal told, future
            if future is None or not future.done():
                future = future or (
                    client.call_async(Trigger.Request()) if client.service_is_ready() else None
                )
                return False
            answer: Any = future.result()
            future = None
            if not answer.success and answer.message != told:
                told = answer.message
                self.get_logger().info(f"{name}: {told}")
            return bool(answer.success)

        future: Any = None
        self._wait(granted, _PATIENCE_S, lambda: f"{name} was not granted: {told}")

    def _wait(
        self, condition: Callable[[], bool], timeout_s: float, problem: str | Callable[[], str]
    ) -> None:
        wait_until(self._executor, condition, timeout_s, problem)

    def _on_pusher(self, message: PoseStamped) -> None:
        self._pusher = to_planar(message)
        if self._now_on is not None:
            time_s = self.control_time(message.header.stamp) - self._track_from_s
            self._track.add(time_s, self._pusher.position)
            self._send()

    def _on_motion(self, message: DiagnosticStatus) -> None:
        try:
            self._motion = to_motion_state(message)
        except PushcellError as error:
            self.get_logger().warning(f"motion/state: {error}", throttle_duration_sec=5.0)


def _first_slider(recording: Recording) -> PlanarPose | None:
    """Where the slider was at first; None where that is not known."""
    try:
        sample = next(SampleReader(recording).samples({"slider"}), None)
    except EpisodeError:
        return None
    return None if sample is None else PlanarPose.from_array(sample.value)


def main() -> None:
    """Run the node."""
    run_node(TrajectoryReplayNode)


if __name__ == "__main__":
    main()
