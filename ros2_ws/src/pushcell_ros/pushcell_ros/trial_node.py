"""Runs trials: reset, arm, start, judge, log."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.client import Client
from rclpy.executors import Executor
from rclpy.qos import qos_profile_sensor_data
from rich.console import Console
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from calibration.active import active_lens, active_pose
from pushcell.errors import PushcellError
from pushcell.geometry import PlanarPose, Pose
from pushcell.overlay import draw_task
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell.task import Judgement, Task
from pushcell.trials import TrialRecord, append_record, trials_table
from pushcell.urgency import Urgency
from pushcell.video import VideoWriter
from pushcell_ros.base_node import LATCHED, OK, CellNode, NodeExit, run_node, running, wait_until
from pushcell_ros.conversions import pose_message, status_values, to_image, to_planar
from pushcell_ros.params import parameter

_GRAPH_TIMEOUT_S = 30.0
_DRIFT_TIMEOUT_S = 120.0
_ANSWER_TIMEOUT_S = 30.0
_HOMING_TIMEOUT_S = 30.0
_PLACING_TIMEOUT_S = 10.0
_ASK_PERIOD_S = 1.0
_STATE_RATE_HZ = 5.0
_PLACED_M, _PLACED_RAD = 0.002, math.radians(1.0)
_VIDEO_CAMERA = "overhead"
# Simulated time may pass slowly; a trial that takes this much longer than allowed is hung.
_SLOWEST_REAL_TIME_FACTOR = 0.1

_ON_REAL_DATA = """the same code on real data (docs/first_hour.md):
  pushcell replay BAG --policy BUNDLE --mapping FILE      any rosbag2 bag with images
  pushcell import pusht pusht_cchi_v7_replay.zarr --finish --out data_sets/pusht/human.parquet
                                                          the human Push-T demonstrations"""


@dataclass(frozen=True)
class TrialParams:
    """Parameters of ``trial_node``."""

    cell: str = parameter("", "the cell: its name, or the path of its YAML file")
    trials: int = parameter(3, "how many trials to run")
    seed: int = parameter(0, "seed of the random starts; trial i uses seed + i")
    policy: str = parameter("planner", "what drives, for the record")
    release_stop: bool = parameter(
        False, "release the emergency stop, in which motion starts; for simulation only"
    )
    on_request: bool = parameter(
        False, "run trials when they are asked for on /trials/request, until told to end"
    )
    video: bool = parameter(True, "write an mp4 of each trial from the overhead camera")
    slider_topic: str = parameter("/slider/true_pose", "the slider's pose, to judge by")
    drift_check: bool = parameter(False, "let nothing move before drift_node has seen the cameras")


class TrialNode(CellNode):
    """One trial after the other, each told to motion_node and policy_node."""

    Params = TrialParams
    urgency = Urgency.PATIENT

    def __init__(self) -> None:
        super().__init__("trial_node")
        self._task = Task.of(self.cell.task, self.cell.pusher.radius_m)
        self._slider: PlanarPose | None = None
        self._pusher: PlanarPose | None = None
        self._motion: dict[str, str] = {}
        self._motion_reason = ""
        self._video: VideoWriter | None = None
        self._progress = "waiting for the cell"
        self._records: list[TrialRecord] = []
        self._request: dict[str, Any] | None = None
        self._running = False
        self._unmoved = not self.params.drift_check
        self._start = self.create_publisher(PoseStamped, "/trial/start_pose", 10)
        self.create_subscription(PoseStamped, self.params.slider_topic, self._on_slider, 10)
        self.create_subscription(PoseStamped, "/pusher/pose", self._on_pusher, 1)
        self.create_subscription(DiagnosticStatus, "/motion/state", self._on_motion, 10)
        self._hold = self.create_client(Trigger, "/motion/hold")
        self._home = self.create_client(Trigger, "/motion/home")
        self._follow = self.create_client(Trigger, "/motion/policy")
        self._release = self.create_client(Trigger, "/safety/release")
        self._reset_arm = self.create_client(Trigger, "/arm/reset")
        self._change_policy = self.create_client(ChangeState, "/policy_node/change_state")
        if self.params.drift_check:
            self.create_subscription(Bool, "/drift/unmoved", self._on_unmoved, LATCHED)
        if self.params.on_request:
            self._state = self.create_publisher(String, "/trials/state", LATCHED)
            self.create_subscription(String, "/trials/request", self._on_request, 1)
            self.every_steady(_STATE_RATE_HZ, self._publish_state)
        if self.params.video:
            self._lens = active_lens(self.cell, _VIDEO_CAMERA)
            self._X_BaseCamera = Pose.from_matrix(active_pose(self.cell, _VIDEO_CAMERA))
            topic = IMAGE_TOPIC.format(_VIDEO_CAMERA)
            self.create_subscription(Image, topic, self._on_image, qos_profile_sensor_data)

    def spin(self, executor: Executor) -> None:
        """All trials, then the table; exit code 0 when every one succeeded, 1 otherwise."""
        self._executor = executor
        run_dir = Path(os.environ.get("PUSHCELL_RUN_DIR", _default_run_dir()))
        self._wait_for_graph()
        problem = "drift_node does not say that the cameras are where they were"
        wait_until(executor, lambda: self._unmoved, _DRIFT_TIMEOUT_S, problem)
        if self.params.release_stop:
            self._call(self._release, Trigger.Request(), "/safety/release")
        self._change(Transition.TRANSITION_CONFIGURE)
        if self.params.on_request:
            self._serve(run_dir)
        else:
            self._run_series(self.params.trials, self.params.seed, run_dir)
        Console(width=100).print(trials_table(self._records))
        print(f"records and videos: {run_dir}\n{_ON_REAL_DATA}", flush=True)
        raise NodeExit(0 if all(record.success for record in self._records) else 1)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How far the trials are."""
        return OK, self._progress, {}

    def _serve(self, run_dir: Path) -> None:
        """Run what is asked for on /trials/request, until the node shall end."""
        while running():
            self._executor.spin_once(timeout_sec=0.1)
            request, self._request = self._request, None
            if request is None:
                continue
            try:
                self._run_series(int(request["trials"]), int(request["seed"]), run_dir)
                self._progress = "waiting for a request"
            except PushcellError as error:
                self._progress = str(error)
                self.get_logger().error(self._progress)
            self._running = False

    def _run_series(self, trials: int, seed: int, run_dir: Path) -> None:
        """One trial after the other, until all are done or a person has taken over."""
        self._running = True
        interventions = self._motion["interventions"]
        for index in range(trials):
            self._progress = f"trial {index + 1} of {trials}"
            record = self._run_trial(len(self._records), seed + index, run_dir)
            append_record(run_dir / "trials.jsonl", record)
            self._records.append(record)
            self._say(record)
            if self._motion["interventions"] != interventions and self.params.on_request:
                raise PushcellError("a person took over: ask for the remaining trials again")

    def _run_trial(self, index: int, seed: int, run_dir: Path) -> TrialRecord:
        start = self._task.sample_start(np.random.default_rng(seed))
        self._go_home()
        self._place_slider(start)
        video = run_dir / f"trial_{index:03d}.mp4" if self.params.video else None
        with ExitStack() as stack:
            if video:
                camera = self.cell.camera(_VIDEO_CAMERA)
                writer = VideoWriter(video, camera.width_px, camera.height_px, camera.rate_hz)
                self._video = stack.enter_context(writer)
            judgement, duration_s = self._push()
            self._video = None
        return TrialRecord(
            trial=index,
            seed=seed,
            policy=self.params.policy,
            success=judgement.success,
            reason=judgement.reason,
            duration_s=duration_s,
            position_error_m=judgement.position_error_m,
            angle_error_rad=judgement.angle_error_rad,
            start=(start.x, start.y, start.theta),
            video=video.name if video else None,
        )

    def _wait_for_graph(self) -> None:
        clients = (self._hold, self._home, self._follow, self._release, self._change_policy)

        def up() -> bool:
            return (
                all(client.service_is_ready() for client in clients)
                and self._slider is not None
                and self._pusher is not None
                and self._motion.get("phase", "no_arm") != "no_arm"
            )

        def reset_arm() -> None:
            # On a busy machine the arm's link may be given up while everything starts.
            if self.params.release_stop and self._reset_arm.service_is_ready():
                self._reset_arm.call_async(Trigger.Request())

        self._ask_until(
            up,
            reset_arm,
            _GRAPH_TIMEOUT_S,
            f"the cell did not come up within {_GRAPH_TIMEOUT_S:.0f} s: it needs cell_node, "
            "arm_node, motion_node and policy_node; see their output above",
        )

    def _go_home(self) -> None:
        self._call(self._home, Trigger.Request(), "/motion/home")
        wait_until(
            self._executor,
            lambda: self._motion.get("reason") == "at_home",
            _HOMING_TIMEOUT_S,
            f"the pusher did not get home: motion_node says {self._motion_reason!r}",
        )

    def _place_slider(self, start: PlanarPose) -> None:
        """A simulated cell puts the slider there when asked."""

        def placed() -> bool:
            position, angle = self._slider.distance_to(start)
            return position < _PLACED_M and angle < _PLACED_RAD

        self._ask_until(
            placed,
            lambda: self._start.publish(pose_message(Pose.from_planar(start), self.stamp())),
            _PLACING_TIMEOUT_S,
            f"the slider was not placed at its start {start.as_array().round(3)}",
        )

    def _ask_until(
        self, condition: Callable[[], bool], ask: Callable[[], None], timeout_s: float, problem: str
    ) -> None:
        """Ask once a second until a condition holds; raises PushcellError after the timeout."""
        asked_s = -math.inf

        def granted() -> bool:
            nonlocal asked_s
            if condition():
                return True
            if time.monotonic() - asked_s > _ASK_PERIOD_S:
                asked_s = time.monotonic()
                ask()
            return False

        wait_until(self._executor, granted, timeout_s, problem)

    def _push(self) -> tuple[Judgement, float]:
        """Let the policy drive until the task is done or its time is over."""
        limit_s = self._task.success.time_limit_s
        began_s, before = self.now(), self._motion.get("reason")
        self._change(Transition.TRANSITION_ACTIVATE)
        self._call(self._follow, Trigger.Request(), "/motion/policy")

        def over() -> bool:
            selected = self._motion.get("source") == "policy"
            return self._judge(began_s).success or self.now() - began_s > limit_s or not selected

        def answered() -> bool:
            # A policy whose first wish is refused is stopped sooner than it is seen to drive.
            return self._motion.get("source") == "policy" or self._motion.get("reason") != before

        wait_until(
            self._executor,
            answered,
            _ANSWER_TIMEOUT_S,
            "motion_node does not follow the policy",
        )
        wait_until(
            self._executor,
            over,
            limit_s / _SLOWEST_REAL_TIME_FACTOR,
            "the trial hung: simulated time stands still; see cell_node's output above",
        )
        judgement, duration_s = self._judge(began_s), self.now() - began_s
        stopped = "" if self._motion.get("source") == "policy" else self._motion_reason
        self._call(self._hold, Trigger.Request(), "/motion/hold")
        self._change(Transition.TRANSITION_DEACTIVATE)
        if stopped and not judgement.success:
            judgement = Judgement(
                False,
                f"stopped: {stopped}; {judgement.reason}",
                judgement.position_error_m,
                judgement.angle_error_rad,
            )
        return judgement, duration_s

    def _judge(self, began_s: float) -> Judgement:
        return self._task.judge(self._slider, self._pusher.position, self.now() - began_s)

    def _change(self, transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        self._call(self._change_policy, request, "/policy_node/change_state")

    def _call(self, client: Client, request: Any, name: str) -> None:
        future = client.call_async(request)
        wait_until(
            self._executor,
            future.done,
            _ANSWER_TIMEOUT_S,
            f"{name} did not answer within {_ANSWER_TIMEOUT_S:.0f} s",
        )
        response = future.result()
        if not response.success:
            why = getattr(response, "message", "its node says why, above")
            raise PushcellError(f"{name} refused: {why}")

    def _say(self, record: TrialRecord) -> None:
        outcome = "success" if record.success else "failure"
        self.get_logger().info(
            f"{self._progress}: {outcome} after {record.duration_s:.1f} s, {record.reason}"
        )

    def _on_request(self, message: String) -> None:
        if not self._running:
            self._request = json.loads(message.data)

    def _publish_state(self) -> None:
        state = {
            "state": "running" if self._running else "idle",
            "progress": self._progress,
            "trials": len(self._records),
            "successes": sum(record.success for record in self._records),
        }
        self._state.publish(String(data=json.dumps(state)))

    def _on_unmoved(self, message: Bool) -> None:
        self._unmoved = message.data

    def _on_slider(self, message: PoseStamped) -> None:
        self._slider = to_planar(message)

    def _on_pusher(self, message: PoseStamped) -> None:
        self._pusher = to_planar(message)

    def _on_motion(self, message: DiagnosticStatus) -> None:
        self._motion, self._motion_reason = status_values(message), message.message

    def _on_image(self, message: Image) -> None:
        if self._video is None:
            return
        image = to_image(message).copy()
        draw_task(image, self._lens, self._X_BaseCamera, self._task, self._slider)
        self._video.add(image)


def _default_run_dir() -> str:
    return str(Path("runs") / time.strftime("%Y-%m-%d_%H-%M-%S"))


def main() -> None:
    """Run the node."""
    run_node(TrialNode)


if __name__ == "__main__":
    main()
