"""Plays a recording: publishes its messages and its clock, controlled by a time line."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time as TimeMsg
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.client import Client
from rclpy.publisher import Publisher
from rclpy.task import Future
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from pushcell.bags.bag import RawMessage
from pushcell.bags.messages import COMPRESSED_IMAGE, is_standard
from pushcell.bags.pixels import compressed_pixels_of
from pushcell.errors import EpisodeError, PushcellError
from pushcell.node_states import TimeLineRequest, read_request
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.streams import COMPRESSED, JOINTS_TOPIC, MOTION_TOPIC, TARGET_TOPIC
from pushcell.replay.player import Player
from pushcell.replay.recording import Recording
from pushcell.replay.topic_map import CHUNK_TOPIC, REQUEST_TOPIC
from pushcell.timing import steady_seconds
from pushcell_ros.base_node import OK, CellNode, run_node
from pushcell_ros.conversions import image_message
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import LATCHED, RELIABLE

_RATE_HZ = 100.0
_STATE_RATE_HZ = 10.0
_ASIDE = "/recorded"
_OF_EVERY_NODE = ("/diagnostics",)
_OF_ROLLOUT = (CHUNK_TOPIC, REQUEST_TOPIC, TARGET_TOPIC, MOTION_TOPIC, JOINTS_TOPIC)
_NS = 10**9
_Handler = Callable[[Trigger.Request, Trigger.Response], Trigger.Response]


@dataclass(frozen=True)
class ReplayParams:
    """Parameters of ``replay_node``; several topics are apart by spaces."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    recording: str = parameter("", "an episode, the folder of a bag, or a bag file")
    rate: float = parameter(1.0, "playback speed, as a multiple of real time", least=0.0)
    loop: bool = parameter(False, "start again at the end of the recording")
    paused: bool = parameter(False, "start paused, until /replay/play is called")
    topics: str = parameter("", "topics to publish, separated by spaces; empty: all")
    remap: str = parameter("", "other topic names, as /recorded/name:=/other/name")
    drive: bool = parameter(
        False,
        "activate the nodes of a rollout, and publish their recorded topics below /recorded",
    )


class _Waker:
    """Brings the rollout's nodes to life, and to life again after a jump back in time.

    What a policy has seen and said before a jump is of another time: it begins anew.
    """

    def __init__(self, node: CellNode) -> None:
        self._change = node.create_client(ChangeState, "policy_node/change_state")
        self._motion = [
            node.create_client(Trigger, live(name)) for name in ("safety/release", "motion/policy")
        ]
        self._calls: list[tuple[Client, Any]] = []
        self._answer: Future | None = None
        self._was_active = False
        self.begin()

    @property
    def policy_lives(self) -> bool:
        """Whether the recording may play: the arm is there only when its pusher was seen."""
        return len(self._calls) <= len(self._motion)

    def begin(self) -> None:
        """All of it, from the beginning."""
        down = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)
        up = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
        changes = (*down, *up) if self._was_active else up
        self._calls = [
            (self._change, ChangeState.Request(transition=Transition(id=change)))
            for change in changes
        ]
        self._calls += [(client, Trigger.Request()) for client in self._motion]
        self._answer = None
        self._was_active = True

    def step(self) -> None:
        """One call at a time; the motion is asked until it agrees.

        Raises PushcellError where the policy cannot be brought to life.
        """
        if not self._calls:
            return
        client, request = self._calls[0]
        if self._answer is None:
            if client.service_is_ready():
                self._answer = client.call_async(request)
            return
        if not self._answer.done():
            return
        response, self._answer = self._answer.result(), None
        if response.success:
            self._calls.pop(0)
        elif client is self._change:
            raise PushcellError("policy_node does not come to life: it says why, above")


class ReplayNode(CellNode):
    """A `Player` as a node."""

    Params = ReplayParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        super().__init__("replay_node")
        self._recording = Recording(Path(self.params.recording), self.cell)
        there = self._recording.bag.topics
        can = {t for t, kind in there.items() if is_standard(kind.message_type)} - {"/clock"}
        chosen = set(self.params.topics.split()) or can
        if chosen - can:
            raise EpisodeError(
                f"{self.params.recording} has no {', '.join(sorted(chosen - can))} that can be "
                f"published; it has {', '.join(sorted(can))}"
            )
        self._player = Player(self._recording.bag, chosen, self.params.rate, self.params.loop)
        self._remap = _pairs(self.params.remap)
        self._out = {t: self._publisher(t) for t in chosen}
        self._pictures = {
            topic: self.create_publisher(Image, live(topic.removesuffix(COMPRESSED)), RELIABLE)
            for topic in chosen
            if there[topic].message_type == COMPRESSED_IMAGE and topic.endswith(COMPRESSED)
        }
        self._clock_out = self.create_publisher(Clock, "clock", RELIABLE)
        self._state = self.create_publisher(String, "replay/state", LATCHED)
        self.create_subscription(String, "replay/request", self._on_request, RELIABLE)
        for do in ("play", "pause", "step"):
            self.create_service(Trigger, f"replay/{do}", self._handler(do))
        self._waker = _Waker(self) if self.params.drive else None
        if self._waker is not None:
            self._player.on_jump = self._waker.begin
        if self.params.paused:
            self._player.request("pause")
        self.every_steady(_RATE_HZ, self._play)
        self.every_steady(_STATE_RATE_HZ, self._tell)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Where the recording is."""
        state = self._player.state()
        return OK, "playing" if state.playing else "paused", state.values()

    def close(self) -> None:
        """Give the file back."""
        self._recording.bag.close()

    def _publisher(self, topic: str) -> Publisher:
        package, _, name = self._recording.bag.topics[topic].message_type.split("/")
        kind = getattr(importlib.import_module(f"{package}.msg"), name)
        aside = topic in _OF_EVERY_NODE or (self.params.drive and topic in _OF_ROLLOUT)
        name = self._remap.get(topic) or live((_ASIDE if aside else "") + topic)
        return self.create_publisher(kind, name, RELIABLE)

    def _play(self) -> None:
        if self._waker is not None:
            self._waker.step()
        if self._waker is None or self._waker.policy_lives:
            self._say(self._player.due(steady_seconds()))
        else:
            self._player.hold(steady_seconds())
        self._clock_tick()  # also while time stands still: nodes that begin need to know it

    def _clock_tick(self) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(self._player.now_ns, _NS)
        self._clock_out.publish(message)

    def _say(self, messages: Iterable[RawMessage]) -> None:
        for message in messages:
            self._out[message.topic].publish(bytes(message.cdr))
            if message.topic in self._pictures:
                decoded = self._recording.decoder.decode(message.topic, message.cdr)
                stamp = decoded.header.stamp
                picture = image_message(
                    compressed_pixels_of(decoded),
                    decoded.header.frame_id,
                    TimeMsg(sec=stamp.sec, nanosec=stamp.nanosec),
                )
                self._pictures[message.topic].publish(picture)

    def _tell(self) -> None:
        self._state.publish(String(data=self._player.state().text()))

    def _on_request(self, message: String) -> None:
        try:
            wish = read_request(TimeLineRequest, message.data)
            self._say(self._player.request(wish.do, wish.value))
        except PushcellError as error:
            self.get_logger().error(f"/replay/request: {error}")
        self._tell()

    def _handler(self, do: str) -> _Handler:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self._say(self._player.request(do))
            self._tell()
            response.success = True
            return response

        return handle


def _pairs(text: str) -> dict[str, str]:
    """From ``/a:=/b /c:=/d``; raises EpisodeError for anything else."""
    pairs = [word.partition(":=") for word in text.split()]
    if not all(name.startswith("/") and other.startswith("/") for name, _, other in pairs):
        raise EpisodeError(f"remap is {text!r}, allowed: /recorded:=/other, apart by spaces")
    return {name: other for name, _, other in pairs}


def main() -> None:
    """Run the node."""
    run_node(ReplayNode)


if __name__ == "__main__":
    main()
