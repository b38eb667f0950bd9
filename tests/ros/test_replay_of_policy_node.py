"""What policy_node published over real ROS comes out of a replay again."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from trajectory_msgs.msg import MultiDOFJointTrajectory

from benchmarks.synthetic_cell import Heard
from policy_server.bundle import load_policy
from pushcell.bags.messages import POSE, STATUS
from pushcell.geometry import PlanarPose, Pose
from pushcell.replay.policy_run import PolicyRun, ReplayOptions
from pushcell.replay.recording import Recording
from pushcell_ros.conversions import pose_message
from pushcell_ros.policy_node import PolicyNode
from tests.conftest import SIM_CELL
from tests.replay.examples import senseless_bundle, write_bag

DOMAIN = 95
CHUNK = "trajectory_msgs/msg/MultiDOFJointTrajectory"
TYPES = {
    "/pusher/pose": POSE,
    "/slider/pose": POSE,
    "/policy/chunk": CHUNK,
    "/policy/request": STATUS,
}
_CLASSES = {POSE: PoseStamped, CHUNK: MultiDOFJointTrajectory, STATUS: DiagnosticStatus}


@pytest.fixture(scope="module")
def bundle(cell, tmp_path_factory):
    return senseless_bundle(tmp_path_factory.mktemp("bundle"), cell)


@pytest.fixture(scope="module")
def heard(bundle):
    """Some seconds of policy_node, as a recorder hears it."""
    rclpy.init(
        args=["--ros-args", "-p", f"cell:={SIM_CELL}", "-p", f"policy:={bundle}"], domain_id=DOMAIN
    )
    node, other = PolicyNode(), rclpy.create_node("other")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(other)
    messages = []

    def taker(topic):
        return lambda cdr: messages.append(
            Heard(topic, other.get_clock().now().nanoseconds, bytes(cdr))
        )

    for topic, kind in TYPES.items():
        other.create_subscription(
            _CLASSES[kind], topic, taker(topic), qos_profile_sensor_data, raw=True
        )
    publishers = [other.create_publisher(PoseStamped, t, 10) for t in list(TYPES)[:2]]

    def feed():
        now = other.get_clock().now()
        angle = now.nanoseconds % 10**10 * 1e-9
        for publisher, radius in zip(publishers, (0.05, 0.02), strict=True):
            x, y = 0.6 + radius * np.cos(angle), radius * np.sin(angle)
            pose = Pose.from_planar(PlanarPose(x, y, np.sin(angle)))
            publisher.publish(pose_message(pose, now.to_msg()))

    other.create_timer(0.02, feed)
    change = other.create_client(ChangeState, "/policy_node/change_state")
    assert change.wait_for_service(10)
    for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        future = change.call_async(ChangeState.Request(transition=Transition(id=step)))
        executor.spin_until_future_complete(future, 20)
        assert future.result().success
    until = time.monotonic() + 60
    while sum(m.topic == "/policy/request" for m in messages) < 8 and time.monotonic() < until:
        executor.spin_once(timeout_sec=0.05)
    node.close()
    node.destroy_node()
    other.destroy_node()
    rclpy.shutdown()
    return messages


def test_the_same_chunks_come_again(cell, bundle, heard, tmp_path):
    bag = write_bag(tmp_path / "live.mcap", sorted(heard, key=lambda m: m.log_ns), TYPES)
    with Recording(bag, cell) as recording:
        outcome = PolicyRun(recording, load_policy(bundle), "it", ReplayOptions()).run()
    assert outcome.follows_record
    assert outcome.left_out == {}
    live = outcome.figures()["live"]
    assert live["published"] >= 7
    assert live["matched"] == live["published"]
    # Steady time there, the recording's time here, some microseconds apart; and this policy, which
    # is none, jumps by decimetres in a tenth of a second.
    assert live["max_m"] < 1e-3


def test_a_recording_that_begins_within_a_rollout_is_followed_from_there(
    cell, bundle, heard, tmp_path
):
    ordered = sorted(heard, key=lambda m: m.log_ns)
    requests = [m.log_ns for m in ordered if m.topic == "/policy/request"]
    bag = write_bag(tmp_path / "tail.mcap", [m for m in ordered if m.log_ns > requests[2]], TYPES)
    with Recording(bag, cell) as recording:
        outcome = PolicyRun(recording, load_policy(bundle), "it", ReplayOptions()).run()
    assert outcome.follows_record
    assert any("what came before is not known" in note for note in outcome.notes)
    live = outcome.figures()["live"]
    assert len(requests) - 4 <= live["matched"] <= live["published"]


def test_another_policy_or_delay_is_not_led_by_the_notes(cell, heard, tmp_path):
    other = senseless_bundle(tmp_path / "other", cell.model_copy())
    bag = write_bag(tmp_path / "live.mcap", sorted(heard, key=lambda m: m.log_ns), TYPES)
    with Recording(bag, cell) as recording:
        policy = load_policy(other)
        outcome = PolicyRun(recording, policy, "it", ReplayOptions(seed=3)).run()
    assert not outcome.follows_record
    assert len(outcome.chunks) > 3
