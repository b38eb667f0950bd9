"""Runs trials: resets the slider, arms, starts the policy, judges, logs."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import State
from rclpy.executors import Executor
from rich.console import Console
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String

from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.cameras.overlay import draw_task
from pushcell.cameras.video_writer import VideoWriter
from pushcell.errors import PushcellError
from pushcell.evaluation.blind_pairs import BlindPairs, Side, check_blind, order_of
from pushcell.evaluation.trial_records import (
    ChunkTally,
    TrialProgress,
    TrialRecord,
    append_record,
    trials_table,
)
from pushcell.geometry import PlanarPose, Pose
from pushcell.node_states import TrialsRequest, TrialsState, read_request
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell.task import Judgement, Task
from pushcell.timing import steady_seconds
from pushcell_ros.base_node import (
    LOST_TOPIC,
    OK,
    NodeExit,
    run_node,
    running,
    wait_until,
)
from pushcell_ros.cell_client import CellClient
from pushcell_ros.conversions import (
    status_values,
    to_image,
    to_nanoseconds,
)
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import LATCHED, NEWEST, RELIABLE, SENSOR_DATA
from pushcell_ros.stepping_node import NoAnswerError, SteppingNode

# Of real time: until the graph is there, whoever was lost is back.
_GRAPH_TIMEOUT_S = 60.0
_RETURN_TIMEOUT_S = 120.0
# Of simulated time.
_DRIFT_TIMEOUT_S = 60.0  # or of real time, where there is nothing to look at
_LINK_TIMEOUT_S = 20.0
_SELECTED_TIMEOUT_S = 2.0
_JUDGE_RATE_HZ = 20.0
_STATE_RATE_HZ = 5.0
_VIDEO_CAMERA = "overhead"
_TRIES = 3  # of one trial, before the run is given up

_NOT_UP = (
    f"the cell did not come up within {_GRAPH_TIMEOUT_S:.0f} s: it needs cell_node, arm_node, "
    "motion_node and policy_node; see their output above"
)

_ON_REAL_DATA = """the same code on real data (docs/first_hour.md):
  pushcell replay BAG --policy BUNDLE --mapping FILE      any rosbag2 bag with images
  pushcell import pusht pusht_cchi_v7_replay.zarr --finish --out data_sets/pusht/human.parquet
                                                          the human Push-T demonstrations"""


@dataclass(frozen=True)
class TrialParams:
    """Parameters of ``trial_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    trials: int = parameter(3, "number of trials", least=1)
    seed: int = parameter(0, "seed of the random starts; trial i uses seed + i", least=0)
    policy: str = parameter("planner", "name of the policy, for the record")
    against: str = parameter(
        "", "name of a second policy: both drive from each start, in an order that is not told"
    )
    until_decided: bool = parameter(
        False, "with against: end as soon as one policy is better, by p at any time of 0.05"
    )
    release_stop: bool = parameter(
        False, "release the emergency stop at the start; only for simulation"
    )
    on_request: bool = parameter(False, "run trials on requests to /trials/request, until stopped")
    min_success: float = parameter(
        0.0,
        "minimum success rate, 0 to 1; below it the node ends with exit code 1",
        least=0.0,
        most=1.0,
    )
    video: bool = parameter(True, "write an mp4 of each trial from the overhead camera")
    slider_topic: str = parameter("slider/true_pose", "topic of the slider's pose, to judge trials")
    drift_check: bool = parameter(False, "start no trial before drift_node has checked the cameras")


class _Void(Exception):  # noqa: N818 - not an error of the policy's
    """The trial says nothing about the policy: somebody who takes part ended or hung."""


class TrialNode(SteppingNode):
    """One trial after the other, each told to motion_node and policy_node."""

    Params = TrialParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        super().__init__("trial_node")
        params = self.params
        check_blind(params.policy, params.against, params.until_decided, self.simulated_time)
        self._side = Side.A
        self._pairs = BlindPairs()
        self._task = Task.of(self.cell.task, self.cell.pusher.radius_m)
        self._chunks = ChunkTally()
        self._lost = ""
        self._video: VideoWriter | None = None
        self._progress = "waiting for the cell"
        self._records: dict[Side, list[TrialRecord]] = {side: [] for side in Side}
        self._request: TrialsRequest | None = None
        self._running = False
        self._unmoved = not self.params.drift_check
        self._client = CellClient(self, params.slider_topic, bool(params.against))
        self.create_subscription(DiagnosticStatus, "policy/request", self._on_chunk, RELIABLE)
        self.create_subscription(String, LOST_TOPIC, self._on_lost, LATCHED)
        if self.params.drift_check:
            self.create_subscription(Bool, "drift/unmoved", self._on_unmoved, LATCHED)
        if self.params.on_request:
            self._state = self.create_publisher(String, "trials/state", LATCHED)
            self.create_subscription(String, "trials/request", self._on_request, NEWEST)
            self.every_steady(_STATE_RATE_HZ, self._publish_state)
        if self.params.video:
            self._lens = active_lens(self.cell, _VIDEO_CAMERA)
            self._X_BaseCamera = Pose.from_matrix(active_pose(self.cell, _VIDEO_CAMERA))
            topic = live(IMAGE_TOPIC.format(_VIDEO_CAMERA))
            self.create_subscription(Image, topic, self._on_image, SENSOR_DATA)

    def spin(self, executor: Executor) -> None:
        """All trials, then the table; exit code 0 when they were carried out, 1 when fewer than
        ``min_success`` of them succeeded."""
        run_dir = Path(os.environ.get("PUSHCELL_RUN_DIR", _default_run_dir()))
        # Time stands still until everybody is there, so that every run begins alike.
        self.begin_stepping(executor, _JUDGE_RATE_HZ)
        wait_until(executor, self._client.is_ready, _GRAPH_TIMEOUT_S, _NOT_UP)
        self._client.bring_policy_to(State.PRIMARY_STATE_INACTIVE)
        self.wait(self._client.is_up, _LINK_TIMEOUT_S, lambda: _NOT_UP)
        self._await_drift_check(executor)
        if self.params.release_stop:
            self._client.release_stop()
        if self.params.on_request:
            self._serve(run_dir)
        else:
            self._run_series(self.params.trials, self.params.seed, run_dir)
        self._print_tables(run_dir)
        rate = np.mean([record.success for record in self._records[Side.A]])
        raise NodeExit(0 if rate >= self.params.min_success else 1)

    def _print_tables(self, run_dir: Path) -> None:
        console = Console(width=100)
        if not self.params.against:
            console.print(trials_table(self._all_records))
            print(f"records and videos: {run_dir}\n{_ON_REAL_DATA}", flush=True)
            return
        for side in Side:
            title = f"{side.name}: {self._policy_of(side)}"
            console.print(trials_table(self._records[side], title))
        files = " ".join(str(run_dir / self._file_of(side)) for side in Side)
        print(f"{self._pairs.told}\npushcell compare {files} --so-far", flush=True)

    def _await_drift_check(self, executor: Executor) -> None:
        problem = "drift_node does not say that the cameras are where they were"
        if any(entry.reference is not None for entry in self.cell.calibration):
            # Pictures are looked at, which takes simulated time.
            self.wait(lambda: self._unmoved, _DRIFT_TIMEOUT_S, lambda: problem)
        else:
            wait_until(executor, lambda: self._unmoved, _DRIFT_TIMEOUT_S, problem)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How far the trials are."""
        return OK, self._progress, {}

    def _serve(self, run_dir: Path) -> None:
        """Run what is asked for on /trials/request, until the node shall end."""
        while running():
            self.step()
            request, self._request = self._request, None
            if request is None:
                continue
            try:
                self._run_series(request.trials, request.seed, run_dir)
                self._progress = "waiting for a request"
            except PushcellError as error:
                self._progress = str(error)
                self.get_logger().error(self._progress)
            self._running = False

    def _run_series(self, trials: int, seed: int, run_dir: Path) -> None:
        """One trial after the other, until all are done or a person has taken over."""
        self._running = True
        interventions = self._client.motion.interventions
        seeds = range(seed, seed + trials)
        turns = [(own, side) for own in seeds for side in self._order_of(own)]
        for number, (own, self._side) in enumerate(turns, 1):
            self._progress = f"trial {number} of {len(turns)}"
            if self._side is self._order_of(own)[0]:
                self._pairs.begin(own)
            record = self._run_trial(len(self._all_records), own, run_dir)
            self._records[self._side].append(record)
            decided = self._decides(record)
            if self._client.motion.interventions != interventions and self.params.on_request:
                raise PushcellError("a person took over: ask for the remaining trials again")
            if decided:
                break

    def _order_of(self, seed: int) -> tuple[Side, ...]:
        """Who drives from the start of a seed, one after the other."""
        return order_of(seed) if self.params.against else (Side.A,)

    def _decides(self, record: TrialRecord) -> bool:
        """Tell of a start from which both have driven; whether no more trials are wanted."""
        both = self._pairs.add(self._side, record.seed, record.success)
        if not self.params.against or not both:
            return False
        self.get_logger().info(self._pairs.told)
        return self.params.until_decided and self._pairs.decided

    @property
    def _all_records(self) -> list[TrialRecord]:
        return [record for side in Side for record in self._records[side]]

    def _file_of(self, side: Side) -> str:
        """Two files, for `pushcell compare`, where two policies drive."""
        return f"trials_{side.value}.jsonl" if self.params.against else "trials.jsonl"

    def _policy_of(self, side: Side) -> str:
        return str(self.params.policy if side is Side.A else self.params.against)

    def _run_trial(self, index: int, seed: int, run_dir: Path) -> TrialRecord:
        """The trial's record; one that was void is run again, from the same start."""
        for _ in range(_TRIES):
            try:
                record = self._try_trial(index, seed, run_dir)
            except (_Void, NoAnswerError) as why:
                reason = str(why)
            except NodeExit:
                self._note(run_dir, self._void(index, seed, "the run was ended"))
                raise
            else:
                self._note(run_dir, record)
                return record
            self._note(run_dir, self._void(index, seed, reason))
            self._await_return(reason)
        raise PushcellError(f"{self._progress} was void {_TRIES} times, last: {reason}")

    def _try_trial(self, index: int, seed: int, run_dir: Path) -> TrialRecord:
        began_s = steady_seconds()
        start = self._start_of(seed)
        self._client.bring_policy_to(State.PRIMARY_STATE_INACTIVE)
        if self.params.against:
            self._client.use_against(self._side is Side.B)
        self._client.go_home()
        self._client.place_slider(start)
        # Cameras and ticks of any whole rate are in the same phase then, in every trial.
        self.wait(self._begins_second, 2.0, lambda: "no whole second came")
        stamp_ns = to_nanoseconds(self.stamp())
        video = run_dir / f"trial_{index:03d}.mp4" if self.params.video else None
        with ExitStack() as stack:
            if video:
                camera = self.cell.camera(_VIDEO_CAMERA)
                writer = VideoWriter(video, camera.width_px, camera.height_px, camera.rate_hz)
                self._video = stack.enter_context(writer)
            try:
                judgement, duration_s = self._push()
            finally:
                self._video = None
        return TrialRecord(
            trial=index,
            seed=seed,
            policy=self._policy_of(self._side),
            success=judgement.success,
            reason=judgement.reason,
            duration_s=duration_s,
            position_error_m=judgement.position_error_m,
            angle_error_rad=judgement.angle_error_rad,
            start=(start.x, start.y, start.theta),
            video=video.name if video else None,
            chunks=self._chunks,
            stamp_ns=stamp_ns,
            real_s=steady_seconds() - began_s,
        )

    def _void(self, index: int, seed: int, reason: str) -> TrialRecord:
        start = self._start_of(seed)
        return TrialRecord(
            trial=index,
            seed=seed,
            policy=self._policy_of(self._side),
            success=False,
            reason=reason,
            duration_s=0.0,
            position_error_m=None,
            angle_error_rad=None,
            start=(start.x, start.y, start.theta),
            video=None,
            void=True,
        )

    def _start_of(self, seed: int) -> PlanarPose:
        return self._task.sample_start(np.random.default_rng(seed))

    def _note(self, run_dir: Path, record: TrialRecord) -> None:
        append_record(run_dir / self._file_of(self._side), record)
        if record.success:
            self.get_logger().info(f"{self._progress}: {record.told}")
        else:
            # The name of a file of records would tell who drove.
            file = "" if self.params.against else self._file_of(self._side)
            shown = run_dir / (record.video or file)
            self.get_logger().warning(f"{self._progress}: {record.told}; see {shown}")

    def _await_return(self, reason: str) -> None:
        """Until whoever was lost takes part again."""
        deadline_s = steady_seconds() + _RETURN_TIMEOUT_S
        while self._lost or not self._client.is_up():
            if steady_seconds() > deadline_s:
                raise PushcellError(
                    f"{self._progress} is void: {reason}; it did not come back within "
                    f"{_RETURN_TIMEOUT_S:.0f} s: see its output above"
                )
            self.step()

    def _begins_second(self) -> bool:
        return to_nanoseconds(self.stamp()) % 10**9 == self.phase_ns

    def _push(self) -> tuple[Judgement, float]:
        """Let the policy drive until the task is done or its time is over."""
        limit_s = self._task.success.time_limit_s
        began_s, before = self.now(), self._client.motion.reason
        progress = TrialProgress(began_s)
        self._chunks = ChunkTally()
        self._client.bring_policy_to(State.PRIMARY_STATE_ACTIVE)
        self._client.follow_policy()
        # A policy whose first wish is refused is stopped sooner than it is seen to drive.
        self.wait(
            lambda: self._client.follows_policy or self._client.motion.reason != before,
            _SELECTED_TIMEOUT_S,
            lambda: "motion_node does not follow the policy",
        )
        while self._client.follows_policy and self.now() - began_s <= limit_s:
            judgement = self._judge(began_s)
            if judgement.success:
                break
            if self._lost:
                raise _Void(self._lost)
            said = progress.line(self.now(), judgement, self._chunks)
            if said:
                self.get_logger().info(f"{self._progress}: {said}")
            self.step()
        judgement, duration_s = self._judge(began_s), self.now() - began_s
        stopped = "" if self._client.follows_policy else self._client.motion.message
        self._client.hold()
        self._client.bring_policy_to(State.PRIMARY_STATE_INACTIVE)
        if self._lost:
            raise _Void(self._lost)
        if stopped and not judgement.success:
            judgement = replace(judgement, reason=f"stopped: {stopped}; {judgement.reason}")
        return judgement, duration_s

    def _judge(self, began_s: float) -> Judgement:
        slider, pusher = self._client.slider(), self._client.pusher()
        return self._task.judge(slider, pusher.position, self.now() - began_s)

    def _on_request(self, message: String) -> None:
        if self._running:
            return
        try:
            self._request = read_request(TrialsRequest, message.data)
        except PushcellError as error:
            self._progress = str(error)
            self.get_logger().error(self._progress)

    def _publish_state(self) -> None:
        state = TrialsState(
            state="running" if self._running else "idle",
            progress=self._progress,
            trials=len(self._all_records),
            successes=sum(record.success for record in self._all_records),
            chunks=str(self._chunks),
        )
        self._state.publish(String(data=state.text()))

    def _on_unmoved(self, message: Bool) -> None:
        self._unmoved = message.data

    def _on_chunk(self, message: DiagnosticStatus) -> None:
        values = status_values(message)
        self._chunks = self._chunks.with_one(values["outcome"], values["reason"])

    def _on_lost(self, message: String) -> None:
        self._lost = message.data

    def _on_image(self, message: Image) -> None:
        if self._video is None:
            return
        image = to_image(message).copy()
        draw_task(image, self._lens, self._X_BaseCamera, self._task, self._client.slider())
        self._video.add(image)


def _default_run_dir() -> str:
    return str(Path("runs") / time.strftime("%Y-%m-%d_%H-%M-%S"))


def main() -> None:
    """Run the node."""
    run_node(TrialNode)


if __name__ == "__main__":
    main()
