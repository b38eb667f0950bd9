"""What every node of the cell shares: its clock, its diagnostics, and how it runs and ends."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, ClassVar

import rclpy
from builtin_interfaces.msg import Time as TimeMsg
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpHandle, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import PushcellError
from pushcell.launcher.domain import Role, hold_role
from pushcell.processes.priority import ProcessPriority
from pushcell.timing import GridTick, steady_seconds
from pushcell_ros.conversions import status_message, to_nanoseconds, to_seconds, to_time
from pushcell_ros.names import CLOCK_OF_NAMESPACE
from pushcell_ros.node_help import asks_for_help, help_text
from pushcell_ros.params import declare
from pushcell_ros.qos import LATCHED, RELIABLE
from pushcell_ros.stamped_stream import take_in

OK, WARN, ERROR = 0, 1, 2
CLOCK_TOPIC = "clock"
# "My work is done up to now; tell me when it is `stamp`": the words of the time barrier.
DONE_TOPIC = "cell/done"
# Who ended or hangs while time waited for it, in words; empty while all go on.
LOST_TOPIC = "cell/lost"
# Two clocks are not read at one moment; what differs by more is a jump.
_ROS_JUMP_NS = 2_000_000
_SECOND_NS = 1_000_000_000
_NEVER_NS = (2**31 - 1) * _SECOND_NS
_ANY_STEP = JumpThreshold(
    min_forward=Duration(nanoseconds=1),
    min_backward=Duration(nanoseconds=-1),
    on_clock_change=True,
)


class CellNode(Node):
    """A node of the cell; ``Params`` is a dataclass with at least the field ``cell``.

    Control runs on ``now()``: the steady clock, or the simulated time under ``use_sim_time``.
    Stamps of messages are ROS time and are converted only here, at the edge.
    """

    Params: ClassVar[type]
    # What only one node of the cell may be.
    role: ClassVar[Role | None] = None
    priority: ClassVar[ProcessPriority] = ProcessPriority.NORMAL
    # Its ticks of simulated time come so much after whole periods. Nodes that hear each other tick
    # at different moments, so that what one of them says at a tick is heard at the same tick of
    # the other in every run.
    phase_ns: ClassVar[int] = 5_000_000

    def __init__(self, name: str) -> None:
        # The middleware's threads inherit it. What is built after them must hold nobody up.
        self.priority.apply()
        super().__init__(name, cli_args=CLOCK_OF_NAMESPACE)
        ProcessPriority.NORMAL.apply()
        self.params: Any = declare(self, self.Params)
        self.cell: CellConfig = load_cell(self.params.cell)
        self._role_lock = None if self.role is None else hold_role(self.role, self.get_namespace())
        # ROS time at control time 0; simulated time has its at the second that is heard of first,
        # so that control times are small, and the same floats in every run.
        self._epoch_ns: int | None = None
        self._ticks: list[GridTick] = []
        self._until_ns = self._heard_ns = 0
        self._hearing: JumpHandle | None = None
        self.simulated_time = bool(self.get_parameter("use_sim_time").value)
        if self.simulated_time:
            # Latched: the barrier may discover this node after its first word.
            self._done = self.create_publisher(Header, DONE_TOPIC, LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self.every_steady(1.0, self._publish_diagnostics)

    def destroy_node(self) -> None:
        """Also let another node have the role."""
        super().destroy_node()
        lock, self._role_lock = self._role_lock, None
        if lock is not None:
            os.close(lock)

    @property
    def full_name(self) -> str:
        """The node's name with its namespace, without the first slash."""
        return str(self.get_fully_qualified_name()).lstrip("/")

    def now(self) -> float:
        """Control time [s]."""
        if not self.simulated_time:
            return steady_seconds()
        now_ns = self.get_clock().now().nanoseconds
        return (now_ns - self._ros_epoch_ns(now_ns)) * 1e-9 if now_ns else 0.0

    def control_time(self, stamp: TimeMsg) -> float:
        """A ROS stamp as control time [s]."""
        stamp_ns = to_nanoseconds(stamp)
        return (stamp_ns - self._ros_epoch_ns(stamp_ns)) * 1e-9

    def stamp(self, control_s: float | None = None) -> TimeMsg:
        """Control time (now, if none is given) as a ROS stamp."""
        if control_s is None:
            return self.get_clock().now().to_msg()
        now_ns = self.get_clock().now().nanoseconds
        return to_time(round(control_s * 1e9) + self._ros_epoch_ns(now_ns))

    def ros_seconds(self, control_s: float) -> float:
        """Control time as ROS time [s], the same float as the stamp's."""
        return to_seconds(self.stamp(control_s))

    def every(self, rate_hz: float, callback: Callable[[], None]) -> None:
        """Call back at a rate of control time.

        In simulated time the node takes part in the barrier by that: time is not told beyond its
        next tick before this one's callback has returned. A timer of ROS's own would come to a
        tick later, or miss it until the next word.
        """
        if not self.simulated_time:
            self.every_steady(rate_hz, callback)
            return
        self._ticks.append(GridTick(rate_hz, self.phase_ns, callback))
        if self._hearing is None:
            self._hearing = self.get_clock().create_jump_callback(
                _ANY_STEP, post_callback=lambda _: self._hear_time()
            )

    def every_steady(self, rate_hz: float, callback: Callable[[], None]) -> None:
        """Call back at a rate of the steady clock, also while simulated time stands still."""
        self.create_timer(1.0 / rate_hz, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def ticked(self) -> None:
        """All ticks of this moment have been seen to; by default time may go on."""
        self.let_time_go()

    def let_time_go(self, until_ns: int | None = None) -> None:
        """Simulated time may be told up to a moment [ns], by default this node's next tick."""
        if not self.simulated_time:
            return
        until_ns = min(tick.next_ns for tick in self._ticks) if until_ns is None else until_ns
        if until_ns != self._until_ns:
            self._until_ns = until_ns
            name = f"{self.get_fully_qualified_name()} {os.getpid()}"
            self._done.publish(Header(stamp=to_time(until_ns), frame_id=name))

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Level, one sentence and figures for ``/diagnostics``; called once a second."""
        return OK, "running", {}

    def spin(self, executor: Executor) -> None:
        """Handle events until the node shall end."""
        while running():
            executor.spin_once(timeout_sec=0.1)

    def leave(self) -> None:
        """Simulated time need not wait for this node any more: it ends because it was told to."""
        if self._ticks:
            self.let_time_go(_NEVER_NS)

    def close(self) -> None:
        """Stop what the node drives and give its resources back; called once, however it ends."""

    def take_in(self) -> None:
        """Handle what was sent before simulated time was told, whatever the executor's order."""
        clock = self.resolve_topic_name(CLOCK_TOPIC)
        for subscription in self.subscriptions:
            if subscription.topic_name != clock:
                take_in(subscription)

    def _hear_time(self) -> None:
        now_ns = self.get_clock().now().nanoseconds
        heard_ns, self._heard_ns = self._heard_ns, now_ns
        if heard_ns <= now_ns < min(tick.next_ns for tick in self._ticks):
            return
        self.take_in()
        for tick in self._ticks:
            tick.heard(now_ns)
        self.ticked()

    def _ros_epoch_ns(self, heard_ns: int) -> int:
        """ROS time at control time 0, of a node that has heard of a ROS time; the same until ROS
        time jumps, so that stamps compare."""
        if self.simulated_time:
            if self._epoch_ns is None:
                self._epoch_ns = heard_ns // _SECOND_NS * _SECOND_NS
            return self._epoch_ns
        epoch_ns = self.get_clock().now().nanoseconds - time.monotonic_ns()
        if self._epoch_ns is None or abs(epoch_ns - self._epoch_ns) > _ROS_JUMP_NS:
            self._epoch_ns = epoch_ns
        return self._epoch_ns

    def _publish_diagnostics(self) -> None:
        level, message, values = self.diagnose()
        array = DiagnosticArray(status=[status_message(self.full_name, level, message, values)])
        array.header.stamp = self.stamp()
        self._diagnostics.publish(array)


class NodeExit(Exception):  # noqa: N818 - an ending, not an error
    """Raised by a node to end its process with an exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Ending:
    """Whether the process was told to end. A flag: a second Ctrl-C changes nothing."""

    requested = False

    @classmethod
    def request(cls, *_: object) -> None:
        cls.requested = True


def running() -> bool:
    """Whether the node shall go on."""
    return not _Ending.requested and rclpy.ok()


def run_node(kind: type[CellNode]) -> None:
    """Run a node until it ends or is told to; errors for people become one sentence and code 2."""
    if asks_for_help(sys.argv[1:]):
        print(help_text(kind))
        sys.exit(0)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _Ending.request)
    node: CellNode | None = None
    # Python's own exit code for an uncaught exception is 1, which here means: done, but not good.
    code = 2
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = kind()
        executor = _events_executor()
        executor.add_node(node)
        kind.priority.apply()
        node.spin(executor)
        code = 0
        node.leave()
    except NodeExit as end:
        code = end.code
        node.leave()
    except PushcellError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
    except Exception:  # noqa: BLE001 - whatever it is, it is printed whole
        traceback.print_exc()
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    sys.exit(code)


def wait_until(
    executor: Executor,
    condition: Callable[[], bool],
    timeout_s: float,
    problem: str | Callable[[], str],
) -> None:
    """Handle events until a condition holds; raises PushcellError(problem) after the timeout.

    A problem that depends on what happens meanwhile is a function, called at the end.
    """
    deadline = steady_seconds() + timeout_s
    while not condition():
        if not running():
            raise NodeExit(0)
        if steady_seconds() > deadline:
            raise PushcellError(problem if isinstance(problem, str) else problem())
        executor.spin_once(timeout_sec=0.05)


def _events_executor() -> Executor:
    """The events executor where this rclpy has one: a third of the CPU time, half the jitter."""
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()
