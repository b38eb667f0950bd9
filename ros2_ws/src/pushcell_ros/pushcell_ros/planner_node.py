"""Runs a demonstrator in place of a policy; it uses the slider's true pose."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from geometry_msgs.msg import PoseStamped
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from trajectory_msgs.msg import MultiDOFJointTrajectory

from pushcell.action_chunk import ActionChunk
from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner.closed_loop import ACTION_RATE_HZ, ClosedLoopPlanner
from pushcell.errors import PlanningError
from pushcell.geometry import PlanarPose
from pushcell.processes.worker_pool import worker_pool
from pushcell.timing import is_older
from pushcell_ros.base_node import OK, WARN, CellNode, run_node
from pushcell_ros.conversions import chunk_message, to_nanoseconds, to_planar
from pushcell_ros.params import parameter
from pushcell_ros.qos import RELIABLE
from pushcell_ros.stamped_stream import StampedStream

# A chunk is sent again this often, as a sign of life; well inside motion.command_silence_s.
_REPUBLISH_RATE_HZ = 25.0
# Nothing is planned from an older pose; a plan that took longer to find is asked for again.
_MAX_OBSERVATION_AGE_S = 0.1
# How long a plan takes in simulated time [s]; it is waited for then.
_PLANNING_S = 0.04


@dataclass(frozen=True)
class PlannerParams:
    """Parameters of ``planner_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")


class PlannerNode(LifecycleNodeMixin, CellNode):
    """Thinks in a process of its own, so that its chunks never fall silent."""

    Params = PlannerParams

    def __init__(self) -> None:
        CellNode.__init__(self, "policy_node")
        LifecycleNodeMixin.__init__(self, enable_communication_interface=True)
        self._thinker = worker_pool(1, _prepare, self.cell)
        self._thinker.submit(_reset)  # starts it, so that no chunk waits for that
        self._active = False
        self._planned: Future[ActionChunk] | None = None
        self._due_s = 0.0
        self._chunk: ActionChunk | None = None
        self._problem = ""
        self._chunks = self.create_publisher(MultiDOFJointTrajectory, "policy/chunk", RELIABLE)
        # By their stamps: the executor may come to the poses of a moment long after its time.
        period_ns = round(1e9 / self.cell.simulated.state_rate_hz)
        self._slider = StampedStream(self, PoseStamped, "slider/true_pose", RELIABLE, period_ns)
        self._pusher = StampedStream(self, PoseStamped, "pusher/pose", RELIABLE, period_ns)
        self.every(_REPUBLISH_RATE_HZ, self._tick)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin a new push from whatever is there."""
        self._thinker.submit(_reset)
        self._active, self._chunk, self._planned, self._problem = True, None, None, ""
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Say nothing any more."""
        self._active = False
        return super().on_deactivate(state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Whether there is a plan."""
        if self._problem:
            return WARN, self._problem, {}
        return OK, "pushing" if self._active else "inactive", {}

    def close(self) -> None:
        """Let the thinking end."""
        self._thinker.shutdown(cancel_futures=True)

    def _tick(self) -> None:
        state_ns = self.cell.simulated.state_before_ns(to_nanoseconds(self.stamp()))
        slider, pusher = self._slider.newest(state_ns), self._pusher.newest(state_ns)
        if not self._active:
            return
        now_s = self.now()
        if self._planned is not None and now_s >= self._due_s:
            self._take(self._planned)
            self._planned = None
        if slider is None or pusher is None:
            return
        captured_s = self.control_time(slider.header.stamp)
        if is_older(now_s, captured_s, _MAX_OBSERVATION_AGE_S):
            # Blind: say nothing, and the guard will stop the arm.
            self._chunk = None
            return
        if self._planned is None:
            poses = to_planar(slider), to_planar(pusher)
            self._planned = self._thinker.submit(_act, captured_s, *poses)
            self._due_s = now_s + _PLANNING_S
        if self._chunk is not None:
            self._chunks.publish(chunk_message(self._chunk, self.stamp(self._chunk.capture_s)))

    def _take(self, planned: Future[ActionChunk]) -> None:
        try:
            chunk = planned.result()
        except PlanningError as error:
            self._problem = str(error)
            self.get_logger().error(self._problem, throttle_duration_sec=5.0)
            return
        if not is_older(self.now(), chunk.capture_s, _MAX_OBSERVATION_AGE_S):
            self._chunk = chunk


_planner: ClosedLoopPlanner


def _prepare(cell: CellConfig) -> None:
    global _planner
    _planner = ClosedLoopPlanner(cell)


def _reset() -> None:
    _planner.reset()


def _act(captured_s: float, slider: PlanarPose, pusher: PlanarPose) -> ActionChunk:
    actions = _planner.act(captured_s, slider, pusher.position)
    return ActionChunk.at_rate(
        captured_s, captured_s + 1.0 / ACTION_RATE_HZ, ACTION_RATE_HZ, actions
    )


def main() -> None:
    """Run the node."""
    run_node(PlannerNode)


if __name__ == "__main__":
    main()
