"""What every node of the cell shares: its clock, its diagnostics, and how it runs and ends."""

from __future__ import annotations

import math
import signal
import sys
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
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from pushcell.config import CellConfig, load_cell
from pushcell.errors import PushcellError
from pushcell.timing import SimulatedTick, steady_seconds
from pushcell.urgency import Urgency
from pushcell_ros.conversions import status_message, to_seconds, to_stamp
from pushcell_ros.node_help import asks_for_help, help_text
from pushcell_ros.params import declare

OK, WARN, ERROR = 0, 1, 2
HEARTBEAT_TOPIC = "/cell/heartbeat"
# Whoever comes later hears the newest one too.
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_HEARTBEAT_RATE_HZ = 100.0
# Two clocks are not read at one moment; what differs by more is a jump.
_ROS_JUMP_S = 0.002
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
    urgency: ClassVar[Urgency] = Urgency.NORMAL

    def __init__(self, name: str) -> None:
        # The middleware's threads inherit it. What is built after them must hold nobody up.
        self.urgency.apply()
        super().__init__(name)
        Urgency.NORMAL.apply()
        self.params: Any = declare(self, self.Params)
        self.cell: CellConfig = load_cell(self.params.cell)
        self._offset_s = math.inf
        self._tick_handles: list[JumpHandle] = []
        self.simulated_time = bool(self.get_parameter("use_sim_time").value)
        if self.simulated_time and self.urgency is not Urgency.PATIENT:
            # Simulated time waits for those who say how far they have lived; see Lockstep.
            self._heartbeat = self.create_publisher(Header, HEARTBEAT_TOPIC, 10)
            self.every_steady(_HEARTBEAT_RATE_HZ, self._beat)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.every_steady(1.0, self._publish_diagnostics)

    def now(self) -> float:
        """Control time [s]."""
        if self.simulated_time:
            return self.get_clock().now().nanoseconds * 1e-9
        return steady_seconds()

    def control_time(self, stamp: TimeMsg) -> float:
        """A ROS stamp as control time [s]."""
        if self.simulated_time:
            return to_seconds(stamp)
        return to_seconds(stamp) - self._ros_offset_s()

    def stamp(self, control_s: float | None = None) -> TimeMsg:
        """Control time (now, if none is given) as a ROS stamp."""
        if control_s is None:
            return self.get_clock().now().to_msg()
        return to_stamp(self.ros_seconds(control_s))

    def ros_seconds(self, control_s: float) -> float:
        """Control time as ROS time [s]."""
        return control_s if self.simulated_time else control_s + self._ros_offset_s()

    def every(self, rate_hz: float, callback: Callable[[], None]) -> None:
        """Call back at a rate of control time.

        In simulated time that is at once when the time is heard of. A timer of ROS's own may come
        to it later, or miss it until the next word, and simulated time would go on meanwhile.
        """
        if self.simulated_time:
            tick = SimulatedTick(rate_hz, callback)
            clock = self.get_clock()
            handle = clock.create_jump_callback(
                _ANY_STEP, post_callback=lambda _: tick.heard(clock.now().nanoseconds)
            )
            self._tick_handles.append(handle)
        else:
            self.every_steady(rate_hz, callback)

    def every_steady(self, rate_hz: float, callback: Callable[[], None]) -> None:
        """Call back at a rate of the steady clock, also while simulated time stands still."""
        self.create_timer(1.0 / rate_hz, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def lived_s(self) -> float:
        """Up to which control time all is done that this node has to do; simulated time waits."""
        return self.now()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Level, one sentence and figures for ``/diagnostics``; called once a second."""
        return OK, "running", {}

    def spin(self, executor: Executor) -> None:
        """Handle events until the node shall end."""
        while running():
            executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """Stop what the node drives and give its resources back; called once, however it ends."""

    def _beat(self) -> None:
        self._heartbeat.publish(Header(stamp=self.stamp(self.lived_s()), frame_id=self.get_name()))

    def _ros_offset_s(self) -> float:
        """ROS time less steady time; the same until ROS time jumps, so that stamps compare."""
        offset_s = self.get_clock().now().nanoseconds * 1e-9 - steady_seconds()
        if abs(offset_s - self._offset_s) > _ROS_JUMP_S:
            self._offset_s = offset_s
        return self._offset_s

    def _publish_diagnostics(self) -> None:
        level, message, values = self.diagnose()
        array = DiagnosticArray(status=[status_message(self.get_name(), level, message, values)])
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
        kind.urgency.apply()
        node.spin(executor)
        code = 0
    except NodeExit as end:
        code = end.code
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
    executor: Executor, condition: Callable[[], bool], timeout_s: float, problem: str
) -> None:
    """Handle events until a condition holds; raises PushcellError(problem) after the timeout."""
    deadline = steady_seconds() + timeout_s
    while not condition():
        if not running():
            raise NodeExit(0)
        if steady_seconds() > deadline:
            raise PushcellError(problem)
        executor.spin_once(timeout_sec=0.05)


def _events_executor() -> Executor:
    """The events executor where this rclpy has one: a third of the CPU time, half the jitter."""
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()
