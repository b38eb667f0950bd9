"""policy_node over real ROS: refuses what does not fit, publishes while active and only then."""

import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool
from trajectory_msgs.msg import MultiDOFJointTrajectory

from policy_server.bundle_files import read_manifest
from pushcell.config.cell import CellConfig
from pushcell.geometry import PlanarPose, Pose
from pushcell.recording.control_log import PolicyIdentity
from pushcell.recording.streams import POLICY_TOPIC
from pushcell_ros.conversions import image_message, pose_message, to_chunk
from pushcell_ros.policy_node import PolicyNode
from tests.conftest import SIM_CELL
from tests.policy_server.examples import some_manifest
from tests.policy_server.test_driver import SCHEDULE
from tests.policy_server.toy_bundle import driving_graphs, write_toy

DOMAIN = 87


def bundle(
    cell: CellConfig,
    folder: Path,
    cameras: tuple[str, ...] = (),
    pusher_m: tuple[float, float] = (0.58, 0.1),
    **changes,
) -> Path:
    """Of a policy that wants the pusher some centimetres away from where it rests."""
    manifest = some_manifest(cell, cameras, schedule=SCHEDULE, **changes)
    return write_toy(folder, manifest, driving_graphs(manifest, np.array(pusher_m), 0.1))


class Rig:
    """The node, and who feeds and watches it."""

    def __init__(self, bundle: Path, *more: str) -> None:
        arguments = ["-p", f"cell:={SIM_CELL}", "-p", f"policy:={bundle}", *more]
        rclpy.init(args=["--ros-args", *arguments], domain_id=DOMAIN)
        self.node, self.other = PolicyNode(), rclpy.create_node("other")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.other)
        self.chunks = []
        self.other.create_subscription(
            MultiDOFJointTrajectory, "/policy/chunk", self.chunks.append, 10
        )
        self.identities = []
        self.other.create_subscription(
            String,
            POLICY_TOPIC,
            self.identities.append,
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
        )
        self.change = self.other.create_client(ChangeState, "/policy_node/change_state")
        self.poses = [
            self.other.create_publisher(PoseStamped, topic, qos_profile_sensor_data)
            for topic in ("/pusher/pose", "/slider/pose")
        ]
        self.camera = self.other.create_publisher(
            Image, "/camera/overhead/color/image_raw", qos_profile_sensor_data
        )
        self.other.create_timer(0.05, self._feed)

    def _feed(self) -> None:
        stamp = self.other.get_clock().now().to_msg()
        for publisher in self.poses:
            publisher.publish(pose_message(Pose.from_planar(PlanarPose(0.55, 0.1, 0.5)), stamp))

    def to(self, transition: int) -> bool:
        assert self.change.wait_for_service(10)
        future = self.change.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self.executor.spin_until_future_complete(future, 20)
        return future.result().success

    def spin(self, condition, seconds: float = 20.0) -> bool:
        until = time.monotonic() + seconds
        while not condition() and time.monotonic() < until:
            self.executor.spin_once(timeout_sec=0.05)
        return condition()

    def close(self) -> None:
        self.node.close()
        self.node.destroy_node()
        self.other.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def start():
    rigs = []

    def make(bundle: Path, *more: str) -> Rig:
        rigs.append(Rig(bundle, *more))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_a_whole_life(cell: CellConfig, tmp_path: Path, start) -> None:
    made = bundle(cell, tmp_path)
    rig = start(made)
    assert rig.to(Transition.TRANSITION_CONFIGURE)
    rig.spin(lambda: False, 0.3)
    assert rig.chunks == []
    (identity,) = rig.identities
    assert PolicyIdentity.model_validate_json(identity.data).sha256 == (read_manifest(made).sha256)
    assert rig.to(Transition.TRANSITION_ACTIVATE)
    assert rig.spin(lambda: len(rig.chunks) > 5), rig.node.diagnose()
    chunk = to_chunk(rig.chunks[-1], 0.0)
    assert len(chunk.times_s) == 16
    assert chunk.times_s[0] > 0
    assert np.diff(chunk.times_s) == pytest.approx(0.1, abs=1e-6)
    assert (np.abs(chunk.positions - [0.565, 0.1]) < 0.02).all()
    assert rig.to(Transition.TRANSITION_DEACTIVATE)
    rig.spin(lambda: False, 0.2)
    rig.chunks.clear()
    rig.spin(lambda: False, 0.3)
    assert rig.chunks == []
    assert rig.to(Transition.TRANSITION_CLEANUP)
    assert rig.node.diagnose()[1] == "not configured"
    assert rig.to(Transition.TRANSITION_CONFIGURE)


def test_a_bundle_that_does_not_fit_is_not_configured(
    cell: CellConfig, tmp_path: Path, start, capfd
) -> None:
    rig = start(bundle(cell, tmp_path, rate_hz=200.0))
    assert not rig.to(Transition.TRANSITION_CONFIGURE)
    assert (
        "the policy acts at 200.0 Hz, the cell's motion.rate_hz is 100.0" in capfd.readouterr().err
    )


def test_a_lost_camera_stops_the_chunks(cell: CellConfig, tmp_path: Path, start) -> None:
    rig = start(bundle(cell, tmp_path, ("overhead",)))
    rig.to(Transition.TRANSITION_CONFIGURE)
    rig.to(Transition.TRANSITION_ACTIVATE)
    camera = cell.camera("overhead")
    picture = image_message(
        np.zeros((camera.height_px, camera.width_px, 3), np.uint8), "overhead", Time()
    )

    def photograph() -> None:
        picture.header.stamp = rig.other.get_clock().now().to_msg()
        rig.camera.publish(picture)

    timer = rig.other.create_timer(0.05, photograph)
    assert rig.spin(lambda: len(rig.chunks) > 5), rig.node.diagnose()
    rig.other.destroy_timer(timer)
    rig.spin(lambda: False, 0.5)
    rig.chunks.clear()
    rig.spin(lambda: False, 0.5)
    assert rig.chunks == []
    assert "overhead is" in rig.node.diagnose()[1]


def test_it_is_not_activated_before_the_cameras_were_seen_in_their_places(start, cell, tmp_path):
    rig = start(bundle(cell, tmp_path / "toy"), "-p", "drift_check:=true")
    assert rig.to(Transition.TRANSITION_CONFIGURE)
    assert not rig.to(Transition.TRANSITION_ACTIVATE)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    rig.other.create_publisher(Bool, "/drift/unmoved", latched).publish(Bool(data=True))
    rig.spin(lambda: False, 1.0)
    assert rig.to(Transition.TRANSITION_ACTIVATE)


def test_one_of_two_policies_drives_and_they_change_only_while_inactive(start, cell, tmp_path):
    bundles = [bundle(cell, tmp_path / "a"), bundle(cell, tmp_path / "b", pusher_m=(0.5, 0.1))]
    rig = start(bundles[0], "-p", f"against:={bundles[1]}")
    switch = rig.other.create_client(SetBool, "/policy/use_against")
    assert switch.wait_for_service(10)

    def use_against(second: bool) -> SetBool.Response:
        future = switch.call_async(SetBool.Request(data=second))
        rig.executor.spin_until_future_complete(future, 20)
        return future.result()

    def drives_towards() -> float:
        """Along x, after the last change."""
        assert rig.to(Transition.TRANSITION_ACTIVATE)
        rig.chunks.clear()
        assert rig.spin(lambda: len(rig.chunks) > 5), rig.node.diagnose()
        refused = use_against(True)
        assert not refused.success
        assert "only while it is inactive" in refused.message
        assert rig.to(Transition.TRANSITION_DEACTIVATE)
        rig.spin(lambda: False, 0.2)
        return float(np.sign(to_chunk(rig.chunks[-1], 0.0).positions[-1, 0] - 0.55))

    assert not use_against(True).success, "nothing is loaded yet"
    assert rig.to(Transition.TRANSITION_CONFIGURE)
    found = [drives_towards()]
    for second in (True, True, False):
        assert use_against(second).success
        found.append(drives_towards())
    assert found == [1, -1, -1, 1]
    named = [PolicyIdentity.model_validate_json(one.data).name for one in rig.identities]
    assert named[0] == named[-1] == str(bundles[0])
    assert str(bundles[1]) in named
    assert rig.to(Transition.TRANSITION_CLEANUP)
    assert rig.node.diagnose()[1] == "not configured"


def test_the_second_of_two_policies_is_verified_too(start, cell, tmp_path, capfd):
    fits = bundle(cell, tmp_path / "a")
    rig = start(fits, "-p", f"against:={bundle(cell, tmp_path / 'b', rate_hz=200.0)}")
    assert not rig.to(Transition.TRANSITION_CONFIGURE)
    assert f"{tmp_path / 'b'} does not fit this cell" in capfd.readouterr().err
    assert rig.node.diagnose()[1] == "not configured"


def test_the_same_policy_twice_is_told(start, cell, tmp_path, capfd):
    fits = bundle(cell, tmp_path)
    rig = start(fits, "-p", f"against:={fits}")
    assert rig.to(Transition.TRANSITION_CONFIGURE)
    assert "are the same bundle" in capfd.readouterr().err
