"""Records episodes to MCAP files.

It writes the serialised messages to disk as they arrive, without deserialising them.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_msgs.msg import String
from std_srvs.srv import Trigger

from pushcell.processes.priority import ProcessPriority
from pushcell.recording.recorder import FAILED, RECORDING, Recorder
from pushcell.recording.streams import Stream
from pushcell_ros.base_node import ERROR, OK, WARN, CellNode, run_node
from pushcell_ros.conversions import offered_qos
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import LATCHED, recorded

_STATE_RATE_HZ = 5.0
_PEERS_RATE_HZ = 4.0
_POLL_RATE_HZ = 200.0
# So many seconds of a stream wait in the middleware while this process is kept from running.
_PATIENCE_S = 2.0
_LEAST_DEPTH = 100
_LEVELS = {"accept": OK, "warn": WARN, "reject": ERROR}
_Handler = Callable[[Trigger.Request, Trigger.Response], Trigger.Response]


@dataclass(frozen=True)
class RecorderParams:
    """Parameters of ``recorder_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    directory: str = parameter("", "folder for the episodes; empty: as in the cell file")


class _Tap:
    """The subscription of one stream, as its publishers offer it; emptied, never called back."""

    def __init__(self, node: Node, stream: Stream) -> None:
        self._node, self._stream = node, stream
        self._topic = node.resolve_topic_name(live(stream.topic))
        self._type = _message_class(stream.message_type)
        self._subscription: Subscription | None = None
        self._offered: tuple[bool, bool] = (False, False)
        self._publishers = 0
        self._sequence = 0
        self.stored = stream.stored()

    @property
    def latched(self) -> bool:
        """Whether the newest message counts until there is another."""
        return self._offered[1]

    def adapt(self) -> None:
        """Subscribe as strongly as every publisher offers; what asks for more hears nothing."""
        profiles = [
            offer.qos_profile for offer in self._node.get_publishers_info_by_topic(self._topic)
        ]
        self._publishers = len(profiles)
        offered = (
            all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles),
            all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles),
        )
        if not profiles or (self._subscription is not None and offered == self._offered):
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._offered = offered
        self.stored = self._stream.stored([offered_qos(profile) for profile in profiles])
        self._subscription = self._node.create_subscription(
            self._type, self._topic, lambda _: None, recorded(self._depth(), *offered), raw=True
        )

    def taken(self) -> Iterator[tuple[bytes, dict[str, Any], int]]:
        """What has come: each message's bytes, what is known of it, how many are lost before it."""
        if self._subscription is None:
            return
        handle = self._subscription.handle
        with handle:
            while (message := handle.take_message(self._type, True)) is not None:
                cdr, info = message
                yield cdr, info, self._lost(info["publication_sequence_number"] or 0)

    def _lost(self, sequence: int) -> int:
        last, self._sequence = self._sequence, sequence
        # Each publisher counts by itself, from one on: of several the counts say nothing.
        return sequence - last - 1 if 0 < last < sequence and self._publishers == 1 else 0

    def _depth(self) -> int:
        rate_hz = self._stream.rate_hz
        return _LEAST_DEPTH if rate_hz is None else int(_PATIENCE_S * rate_hz) + 1


class RecorderNode(CellNode):
    """Streams in, episodes out."""

    Params = RecorderParams
    priority = ProcessPriority.NORMAL

    def __init__(self) -> None:
        super().__init__("recorder_node")
        directory = Path(self.params.directory or self.cell.recording.directory)
        self._broke_off = threading.Event()
        self._owes_hold = False
        self.recorder = Recorder(
            self.cell,
            directory.absolute(),
            lambda: self.get_clock().now().nanoseconds,
            lambda _: self._broke_off.set(),
        )
        if self.cell.recording.images == "jpeg":
            self.get_logger().warning(
                "recording.images is jpeg: what is lost in the pictures never comes back"
            )
        self._told: tuple[str, str] = ("", "")
        # A node that no executor serves: emptying all subscriptions now and then takes a third of
        # the time that a call for each message would, and tells the messages' sequence numbers.
        # What the middleware's threads do not take from the network in time is lost.
        ProcessPriority.REAL_TIME.apply()
        self._tap_node = rclpy.create_node(
            "recorder_taps", namespace=self.get_namespace(), use_global_arguments=False
        )
        ProcessPriority.NORMAL.apply()
        self._taps = {
            topic: _Tap(self._tap_node, stream) for topic, stream in self.recorder.streams.items()
        }
        self._hold = self.create_client(Trigger, "motion/hold")
        self._state = self.create_publisher(String, "recorder/state", LATCHED)
        self.create_service(Trigger, "recorder/start", self._on_start)
        self.create_service(Trigger, "recorder/success", self._stopper("success"))
        self.create_service(Trigger, "recorder/failure", self._stopper("failure"))
        self.create_service(Trigger, "recorder/discard", self._stopper("discard"))
        self.recorder.recover()
        # Both must go on when the simulated time stands still.
        self.every_steady(_STATE_RATE_HZ, self._publish_state)
        self.every_steady(_PEERS_RATE_HZ, self._adapt)
        self.every_steady(_POLL_RATE_HZ, self._take)
        if self.simulated_time:
            # Simulated time waits for what has been said to be taken.
            self.every(_POLL_RATE_HZ / 10, self._take)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """What the recorder does, and the gate's verdict on the episode at hand."""
        state = self.recorder.state()
        figures = {
            "episode": state.episode,
            "seconds": f"{state.seconds:.1f}",
            "free_mb": state.free_bytes // 10**6,
            **{f"messages {topic}": count for topic, count in state.messages.items()},
        }
        if state.state == FAILED:
            return ERROR, state.problem, figures
        if state.state == RECORDING:
            reasons = "; ".join(state.quality.reasons)
            return _LEVELS[state.quality.verdict], reasons or "recording", figures
        return OK, state.problem or state.state, figures

    def close(self) -> None:
        """What is being recorded is brought to its end."""
        self.recorder.close()
        self._tap_node.destroy_node()

    def _adapt(self) -> None:
        for tap in self._taps.values():
            tap.adapt()

    def _take(self) -> None:
        if self._broke_off.is_set():
            self._broke_off.clear()
            self._on_failure()
        if self.recorder.phase != self._told[0]:
            self._publish_state()
        # A message's own time of arrival is of the system's clock.
        now_ns = self.get_clock().now().nanoseconds if self.simulated_time else None
        for topic, tap in self._taps.items():
            for cdr, info, lost in tap.taken():
                log_ns = now_ns or info["received_timestamp"]
                self.recorder.on_message(topic, log_ns, cdr, lost, tap.latched)

    def _publish_state(self) -> None:
        if self._owes_hold and self._hold.service_is_ready():
            self._hold.call_async(Trigger.Request())
            self._owes_hold = False
        state = self.recorder.state()
        told = (state.state, state.quality.verdict)
        if told != self._told:
            self._told = told
            reasons = "; ".join(state.quality.reasons) or state.problem
            self.get_logger().info(f"{state.state} {state.episode} {told[1]} {reasons}")
        self._state.publish(String(data=state.text()))

    def _on_failure(self) -> None:
        """The recording broke off: what is not recorded shall not be driven."""
        self.get_logger().error(f"recording stopped: {self.recorder.state().problem}")
        self._owes_hold = True
        self._publish_state()

    def _on_start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        refusal = self.recorder.start({topic: tap.stored for topic, tap in self._taps.items()})
        response.success = refusal is None
        response.message = refusal or f"recording {self.recorder.state().episode}"
        self._publish_state()
        return response

    def _stopper(self, word: str) -> _Handler:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            discard = word == "discard"
            verdict = "unjudged" if discard else word
            refusal = self.recorder.stop(verdict, f"the operator said {word}", discard)
            response.success, response.message = refusal is None, refusal or ""
            self._publish_state()
            return response

        return handle


def _message_class(message_type: str) -> Any:
    """Of a type that streams_of knows to be standard."""
    package, _, name = message_type.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def main() -> None:
    """Run the node."""
    run_node(RecorderNode)


if __name__ == "__main__":
    main()
