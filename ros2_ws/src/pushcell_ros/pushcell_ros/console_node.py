"""Serves the operator's web page, which shows topics and calls services."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image, Joy
from std_msgs.msg import String
from std_srvs.srv import Trigger

from pushcell.errors import PushcellError
from pushcell.geometry import PlanarPose, Pose
from pushcell.node_states import (
    DevicesState,
    NodeState,
    ProcedureState,
    RecorderState,
    ReplayState,
    TimeLineRequest,
    TrialsRequest,
    TrialsState,
    read_state,
)
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell.timing import steady_seconds
from pushcell_ros.base_node import OK, CellNode, run_node
from pushcell_ros.conversions import (
    pose_message,
    status_values,
    to_image,
    to_motion_state,
    to_planar,
    to_pose,
)
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import LATCHED, NEWEST, RELIABLE, SENSOR_DATA
from teleop.actions import ACTIONS
from teleop.console.access import Access
from teleop.console.backend import ConsoleBackend
from teleop.console.pictures import CameraPicture, PictureFeed
from teleop.console.server import ConsoleServer

NewState = TypeVar("NewState", bound=NodeState)

_ANSWER_TIMEOUT_S = 10.0
_LOOK_RATE_HZ = 5.0
_TO_ACTIVE = {
    State.PRIMARY_STATE_UNCONFIGURED: (
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ),
    State.PRIMARY_STATE_INACTIVE: (Transition.TRANSITION_ACTIVATE,),
}


@dataclass(frozen=True)
class ConsoleParams:
    """Parameters of ``console_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    host: str = parameter("127.0.0.1", "address to serve on; beyond loopback it needs a token")
    port: int = parameter(
        0, "port to serve on; 0: the first free port from 8500 to 8599", least=0, most=65535
    )
    token: str = parameter("", "token for access beyond loopback; empty: random")
    seed: int = parameter(0, "seed of the random starts of episodes", least=0)
    policy: str = parameter("none", "name of the policy that the page shows; starts no policy")


class ConsoleNode(CellNode):
    """ROS in this thread, the web server in another."""

    Params = ConsoleParams

    def __init__(self) -> None:
        super().__init__("console_node")
        self._loop = asyncio.new_event_loop()
        self._feeds = {camera.name: PictureFeed(self._loop) for camera in self.cell.cameras}
        self._images: list[Subscription] = []
        self._joys: dict[str, Publisher] = {}
        self._triggers: dict[str, Client] = {}
        self._backend = ConsoleBackend(self.cell, self, self.params.policy, self.params.seed)
        self._connect()
        access = Access(self.params.host, self.params.token)
        self._server = ConsoleServer(self._backend, self._feeds, access, self.cell.motion.deadman_s)
        self._thread = threading.Thread(target=self._loop.run_forever, name="web server")
        self._thread.start()
        try:
            address = self._finish(self._server.start(self.params.host, self.params.port))
        except PushcellError:
            self.close()
            raise
        self.get_logger().info(f"console: {address}")

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Whether anybody looks."""
        return OK, "watched" if self._server.watched else "no page is open", {}

    def close(self) -> None:
        """Close every page, which releases what they held."""
        if self._thread.is_alive():
            self._finish(self._server.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    # What the backend asks for, on the server's thread

    def say_joy(self, topic: str, axes: list[float], buttons: list[int]) -> None:
        """Publish a sensor_msgs/Joy."""
        message = Joy(axes=axes, buttons=buttons)
        message.header.stamp = self.stamp()
        self._joys[topic].publish(message)

    def place_slider(self, start: PlanarPose) -> None:
        """Put a simulated slider somewhere."""
        self._start_pose.publish(pose_message(Pose.from_planar(start), self.stamp()))

    def request_trials(self, trials: int, seed: int) -> None:
        """Ask trial_node for trials."""
        self._trials.publish(String(data=TrialsRequest(trials=trials, seed=seed).model_dump_json()))

    def request_replay(self, do: str, value: float) -> None:
        """Ask replay_node to be elsewhere in its recording."""
        self._replay.publish(String(data=TimeLineRequest(do=do, value=value).model_dump_json()))

    async def call(self, service: str) -> str:
        """Call a Trigger service; why it was refused, else nothing."""
        return await self._succeed(self._triggers[service], Trigger.Request(), service)

    async def activate_policy(self) -> str:
        """Make policy_node ready to drive; why it cannot, else nothing."""
        try:
            answer = await self._answer(self._policy_state, GetState.Request(), "policy_node")
        except PushcellError as error:
            return str(error)
        for step in _TO_ACTIVE.get(answer.current_state.id, ()):
            request = ChangeState.Request(transition=Transition(id=step))
            problem = await self._succeed(self._change_policy, request, "policy_node")
            if problem:
                return problem
        return ""

    async def _succeed(self, client: Client, request: Any, name: str) -> str:
        try:
            response = await self._answer(client, request, name)
        except PushcellError as error:
            return str(error)
        told = getattr(response, "message", "refused; its log says why")
        return "" if response.success else f"{name}: {told}"

    async def _answer(self, client: Client, request: Any, name: str) -> Any:
        if not client.service_is_ready():
            raise PushcellError(f"{name} is not there: its node does not run")
        answered: asyncio.Future[Any] = self._loop.create_future()

        def settle(response: Any) -> None:
            if not answered.done():
                answered.set_result(response)

        client.call_async(request).add_done_callback(
            lambda future: self._loop.call_soon_threadsafe(settle, future.result())
        )
        try:
            return await asyncio.wait_for(answered, _ANSWER_TIMEOUT_S)
        except asyncio.TimeoutError:
            raise PushcellError(f"{name} does not answer") from None

    # What the cell says, on this thread

    def _connect(self) -> None:
        for topic in self._backend.joy_topics:
            self._joys[topic] = self.create_publisher(Joy, live(topic), RELIABLE)
        self._start_pose = self.create_publisher(PoseStamped, "trial/start_pose", RELIABLE)
        self._trials = self.create_publisher(String, "trials/request", RELIABLE)
        self._replay = self.create_publisher(String, "replay/request", RELIABLE)
        own = self._backend.procedures.by_service
        for name, procedure in own.items():
            self.create_service(Trigger, live(name), self._starter(procedure))
        asked = {action.service for action in ACTIONS.values()} - set(own)
        for name in asked | self._backend.procedures.needed_services:
            self._triggers[name] = self.create_client(Trigger, live(name))
        self._change_policy = self.create_client(ChangeState, "policy_node/change_state")
        self._policy_state = self.create_client(GetState, "policy_node/get_state")
        view = self._backend.view
        self.create_subscription(DiagnosticStatus, "motion/state", self._on_motion, RELIABLE)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)
        self.create_subscription(PoseStamped, "motion/target", self._on_commanded, NEWEST)
        self.create_subscription(
            PoseStamped, "pusher/pose", lambda message: view.pusher.put(to_pose(message)), NEWEST
        )
        self.create_subscription(
            PoseStamped, "slider/pose", lambda message: view.slider.put(to_planar(message)), NEWEST
        )
        self._listen("teleop/state", DevicesState, view.devices.put)
        self._listen("trials/state", TrialsState, view.trials.put)
        self._listen("replay/state", ReplayState, view.replay.put)
        self._listen("recorder/state", RecorderState, self._on_recorder)
        self._listen("calibration/state", ProcedureState, view.calibration.put)
        self.every_steady(_LOOK_RATE_HZ, self._look_or_not)

    def _listen(self, topic: str, kind: type[NewState], take: Callable[[NewState], object]) -> None:
        def hear(message: String) -> None:
            try:
                take(read_state(kind, message.data))
            except PushcellError as error:
                self._warn(topic, error)

        self.create_subscription(String, topic, hear, LATCHED)

    def _warn(self, topic: str, error: PushcellError) -> None:
        self.get_logger().error(f"{topic}: {error}", throttle_duration_sec=5.0)

    def _starter(self, procedure: Callable[[], Coroutine[Any, Any, str]]) -> Any:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self._begin(procedure())
            response.success, response.message = True, "begun"
            return response

        return handle

    def _look_or_not(self) -> None:
        """Take pictures only while a page is open: they are what a camera and a renderer cost."""
        if self._server.watched and not self._images:
            for name in self._feeds:
                topic = live(IMAGE_TOPIC.format(name))
                take = self._image_taker(name)
                self._images.append(self.create_subscription(Image, topic, take, SENSOR_DATA))
        elif self._images and not self._server.watched:
            for subscription in self._images:
                self.destroy_subscription(subscription)
            self._images.clear()

    def _image_taker(self, name: str) -> Callable[[Image], None]:
        view, feed = self._backend.view, self._feeds[name]

        def take(message: Image) -> None:
            captured_s = self.control_time(message.header.stamp)
            view.pictures[name].put(captured_s)
            outlines = self._backend.outlines(name)
            feed.put(CameraPicture(captured_s, to_image(message), outlines))

        return take

    def _on_motion(self, message: DiagnosticStatus) -> None:
        try:
            self._backend.view.motion.put(to_motion_state(message))
        except PushcellError as error:
            self._warn("motion/state", error)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            space, _, name = f"/{status.name}".rpartition("/")
            if (space or "/") != self.get_namespace():
                continue  # of another cell
            level, values = status.level[0], status_values(status)
            self._backend.view.put_node(name, level, status.message, values)

    def _on_commanded(self, message: PoseStamped) -> None:
        tip = np.array([message.pose.position.x, message.pose.position.y])
        self._backend.view.commanded.put(tip)
        self._backend.view.press_latency.on_commanded(steady_seconds(), tip)

    def _on_recorder(self, state: RecorderState) -> None:
        if self._backend.view.put_recorder(state):
            self._begin(self._backend.procedures.after_episode())

    def _begin(self, work: Coroutine[Any, Any, str]) -> None:
        """Nobody waits for the answer of what is begun here: a refusal goes to the log."""

        def tell(done: Future[str]) -> None:
            problem = done.exception() or done.result()
            if problem:
                self.get_logger().warning(str(problem))

        asyncio.run_coroutine_threadsafe(work, self._loop).add_done_callback(tell)

    def _finish(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def main() -> None:
    """Run the node."""
    run_node(ConsoleNode)


if __name__ == "__main__":
    main()
