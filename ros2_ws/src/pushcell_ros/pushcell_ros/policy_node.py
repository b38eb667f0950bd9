"""Runs a trained policy: configure verifies its bundle, and while active it publishes chunks.

With `against` there are two, of which one at a time drives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool
from trajectory_msgs.msg import MultiDOFJointTrajectory

from policy_server.delay import MEASURED, InjectedDelay, declared_inference_s
from policy_server.driver import ChunkRecord, PolicyDriver
from policy_server.onnx_networks import RuntimeOptions
from policy_server.open_policy import open_policy
from pushcell.cameras.calibrated import active_latency_s
from pushcell.errors import PushcellError
from pushcell.motion.filter import PREVIEW_S
from pushcell.recording.control_log import PolicyIdentity
from pushcell.recording.streams import IMAGE_TOPIC, POLICY_TOPIC
from pushcell_ros.arriving_images import ArrivingImages
from pushcell_ros.base_node import OK, WARN, CellNode, run_node
from pushcell_ros.conversions import (
    chunk_message,
    status_message,
    to_image,
    to_planar,
)
from pushcell_ros.names import live
from pushcell_ros.params import parameter
from pushcell_ros.qos import LATCHED, RELIABLE, SENSOR_DATA

_TICK_RATE_HZ = 100.0


@dataclass(frozen=True)
class PolicyParams:
    """Parameters of ``policy_node``."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")
    policy: str = parameter("", "name of a shipped policy, path of a bundle, or a ws:// address")
    against: str = parameter("", "a second policy, which drives where policy/use_against says so")
    chunking: str = parameter(
        "realtime", "how chunks are joined: receding, asynchronous, ensembling[:K] or realtime"
    )
    provider: str = parameter("cpu", "execution provider of the networks: cpu, cuda or tensorrt")
    threads: int = parameter(1, "threads of one inference", least=1)
    server_timeout_s: float = parameter(
        1.0, "timeout of a policy server for one chunk [s]", least=0.0
    )
    seed: int = parameter(0, "seed of the noise from which chunks are sampled", least=0)
    inference_s: str = parameter(
        "bundle",
        "inference time of a chunk in simulated time [s]; bundle: the 95th percentile of the "
        "bundle's latency record; measured: the measured time, for replays",
    )
    delay_s: float = parameter(
        0.0, "minimum inference time of each chunk, for tests of delay [s]", least=0.0
    )
    slider_topic: str = parameter(
        "slider/pose", "topic of the slider's pose, for policies that use it"
    )
    drift_check: bool = parameter(False, "stay inactive until drift_node has checked the cameras")


class PolicyNode(LifecycleNodeMixin, CellNode):
    """Feeds each policy's `PolicyDriver`, which thinks in a thread of its own, and publishes the
    chunks of the one that drives."""

    Params = PolicyParams

    def __init__(self) -> None:
        CellNode.__init__(self, "policy_node")
        LifecycleNodeMixin.__init__(self, enable_communication_interface=True)
        self._drivers: list[PolicyDriver] = []  # one for each of the policies
        self._chosen = 0
        self._inputs: list[Subscription] = []
        self._cameras: list[tuple[PolicyDriver, str, ArrivingImages]] = []
        # A simulated cell, and not a recording, in which everything has its own latency.
        self._simulated = self.simulated_time and self.params.inference_s != MEASURED
        self._active = False
        self._unmoved = not self.params.drift_check
        if self.params.drift_check:
            self.create_subscription(Bool, "drift/unmoved", self._on_unmoved, LATCHED)
        self._chunks = self.create_publisher(MultiDOFJointTrajectory, "policy/chunk", RELIABLE)
        self._identity = self.create_publisher(String, live(POLICY_TOPIC), LATCHED)
        self._requests = self.create_publisher(DiagnosticStatus, "policy/request", RELIABLE)
        if self.params.against:
            self.create_service(SetBool, "policy/use_against", self._on_use_against)
        self.every(_TICK_RATE_HZ, self._tick)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load, verify and warm up; fails, with both values in the log, on any mismatch."""
        try:
            for name in self._names:
                self._drivers.append(self._open(name))
        except PushcellError as error:
            self.get_logger().error(f"not configured: {error}")
            self._forget()
            return TransitionCallbackReturn.FAILURE
        if len({driver.manifest.sha256 for driver in self._drivers}) < len(self._drivers):
            self.get_logger().warning(
                f"{' and '.join(self._names)} are the same bundle: nothing but chance can tell "
                "one from the other"
            )
        for driver in self._drivers:
            self._listen(driver)
        self._choose(0)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin a new push from whatever is there; fails while a camera may have moved."""
        if not self._unmoved:
            self.get_logger().error(
                "not activated: drift_node does not say that the cameras are where they were"
            )
            return TransitionCallbackReturn.FAILURE
        self._drivers[self._chosen].activate()  # lifecycle: configured before active
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Say nothing any more."""
        self._active = False
        for driver in self._drivers:
            driver.deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the policies."""
        self._forget()
        return super().on_cleanup(state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """What is wrong, and where the time goes."""
        if not self._drivers:
            return OK, "not configured", {}
        problem, figures = self._drivers[self._chosen].diagnose()
        if self.params.against:
            figures = {}  # they would tell the operator which of the two drives
        if problem:
            return WARN, problem, figures
        return OK, "pushing" if self._active else "inactive", figures

    def close(self) -> None:
        """Let the thinking end."""
        self._forget()

    def _on_unmoved(self, message: Bool) -> None:
        self._unmoved = message.data

    @property
    def _names(self) -> list[str]:
        """Of the policies."""
        against = self.params.against
        return [self.params.policy, against] if against else [self.params.policy]

    def _open(self, name: str) -> PolicyDriver:
        """A policy, verified and warm; raises PushcellError."""
        params = self.params
        options = RuntimeOptions(params.provider, params.threads)
        policy = open_policy(name, self.cell, options, params.server_timeout_s)
        manifest = policy.manifest
        driver = PolicyDriver(
            policy,
            self.cell,
            self.now,
            params.chunking,
            params.seed,
            PREVIEW_S + self.cell.motion.tick_s,
            delay=InjectedDelay(params.delay_s, params.delay_s),
            latencies_s={
                camera.name: active_latency_s(self.cell, camera.name)
                for camera in manifest.observation.cameras
            },
            inference_s=declared_inference_s(manifest, params.inference_s, name)
            if self._simulated
            else None,
        )
        took_s = driver.warm_up()
        self.get_logger().info(
            f"{name}: {manifest.kind} policy for {manifest.task.kind}, "
            f"a chunk takes {1e3 * took_s:.1f} ms"
        )
        return driver

    def _on_use_against(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        response.success = bool(self._drivers) and not self._active
        if response.success:
            self._choose(int(request.data))
        else:
            response.message = "policy_node changes the policy only while it is inactive"
        return response

    def _choose(self, number: int) -> None:
        """Which of the policies drives from the next activation on, and tell recorders."""
        self._chosen = number
        identity = PolicyIdentity(
            name=self._names[number],
            sha256=self._drivers[number].manifest.sha256,
            chunking=self.params.chunking,
            seed=self.params.seed,
        )
        self._identity.publish(String(data=identity.model_dump_json()))

    def _forget(self) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs.clear()
        self._cameras.clear()
        for driver in self._drivers:
            driver.close()
        self._drivers.clear()

    def _listen(self, driver: PolicyDriver) -> None:
        """Subscribe to what this policy uses, and to the motion that comes of it."""
        spec = driver.manifest.observation
        poses = {"pusher": "pusher/pose", "slider": self.params.slider_topic}
        for name in spec.keys:
            if name in poses:
                self._subscribe(PoseStamped, poses[name], self._pose_taker(driver, name))
        for camera in spec.cameras:
            if self._simulated:
                arriving = ArrivingImages(self, self.cell.camera(camera.name))
                self._cameras.append((driver, camera.name, arriving))
                self._inputs.append(arriving.subscription)
            else:
                topic = live(IMAGE_TOPIC.format(camera.name))
                self._subscribe(Image, topic, partial(self._see, driver, camera.name))
        self._subscribe(
            PoseStamped,
            "motion/target",
            lambda message: driver.on_motion(self.control_time(message.header.stamp)),
        )

    def _subscribe(self, kind: type, topic: str, callback: Callable[..., None]) -> None:
        self._inputs.append(self.create_subscription(kind, topic, callback, SENSOR_DATA))

    def _pose_taker(self, driver: PolicyDriver, name: str) -> Callable[[PoseStamped], None]:
        def take(message: PoseStamped) -> None:
            stamp_s = self.control_time(message.header.stamp)
            driver.on_pose(name, stamp_s, to_planar(message).as_array())

        return take

    def _see(self, driver: PolicyDriver, camera: str, message: Image) -> None:
        try:
            image = to_image(message)
        except ValueError as error:
            self.get_logger().error(f"camera {camera}: {error}", throttle_duration_sec=1.0)
            return
        driver.on_image(camera, self.control_time(message.header.stamp), image)

    def _tick(self) -> None:
        for driver, name, camera in self._cameras:
            for message in camera.take():
                self._see(driver, name, message)
        for driver in self._drivers:
            chunk = driver.tick(self.now())
            if chunk is not None:
                self._chunks.publish(chunk_message(chunk, self.stamp(chunk.capture_s)))
            for record in driver.take_records():
                self._requests.publish(self._note(driver, record))

    def _note(self, driver: PolicyDriver, record: ChunkRecord) -> DiagnosticStatus:
        """What a replay needs to make a chunk again; times are ROS time, to the last bit."""
        values = {
            "bundle": driver.manifest.sha256,
            "chunking": self.params.chunking,
            "seed": record.seed,
            "number": record.number,
            "capture_s": self.ros_seconds(record.capture_s),
            "begun_s": self.ros_seconds(record.begun_s),
            "ended_s": self.ros_seconds(record.ended_s),
            "outcome": record.outcome,
            "reason": record.reason,
        }
        return status_message("policy", OK, record.outcome, values)


def main() -> None:
    """Run the node."""
    run_node(PolicyNode)


if __name__ == "__main__":
    main()
