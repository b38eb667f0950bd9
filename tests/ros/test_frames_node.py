"""frames_node over real ROS: the description, and what it says where tf2_msgs is missing."""

import importlib.util
import stat
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from pushcell.arm.frame_tree import ArmFrame, FrameTree
from pushcell.config.urdf import joint_limits
from pushcell.geometry import Pose
from pushcell_ros.base_node import OK
from pushcell_ros.conversions import to_stamp, transform_message
from pushcell_ros.frames_node import FramesNode
from pushcell_ros.qos import LATCHED, RELIABLE
from pushcell_ros.state_publisher import StatePublisher, find_state_publisher

DOMAIN = 90
PATIENCE_S = 20.0
HAS_TF2 = importlib.util.find_spec("tf2_msgs") is not None
# In ROS's robot_state_publisher's place: it keeps what it was told, and lives until it is ended.
STAND_IN = """#!{python}
import signal, sys, pathlib
words = sys.argv[1:]
told = pathlib.Path(words[words.index("--params-file") + 1]).read_text()
pathlib.Path({out!r}).write_text(" ".join(words[:-1]) + told)
signal.pause()
"""


@pytest.fixture
def frames():
    words = ["-p", "cell:=sim", "-p", "robot_state_publisher:=false", "-r", "__ns:=/left"]
    rclpy.init(args=["--ros-args", *words], domain_id=DOMAIN)
    node, other = FramesNode(), Node("other", namespace="/left", use_global_arguments=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(other)

    def until(condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition() and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        return condition()

    yield node, other, until
    node.close()
    node.destroy_node()
    other.destroy_node()
    rclpy.shutdown()


def test_the_description_is_latched(frames):
    _, other, until = frames
    got = []
    other.create_subscription(String, "robot_description", got.append, LATCHED)
    assert until(lambda: got)
    fixed = {frame.child for frame in FrameTree(got[0].data).fixed}
    assert {"overhead_color_optical_frame", "wrist_color_optical_frame", "goal"} <= fixed


@pytest.mark.skipif(HAS_TF2, reason="tf2_msgs is there")
def test_what_it_says_without_tf2_msgs(frames):
    node, _, _ = frames
    level, message, _ = node.diagnose()
    assert level == OK, "no fault of the cell"
    assert "tf2_msgs" in message


@pytest.mark.skipif(not HAS_TF2, reason="the wheels of rclpy have no tf2_msgs")
def test_frames_are_told(frames):
    from tf2_msgs.msg import TFMessage

    node, other, until = frames
    told = {"tf": [], "tf_static": []}
    other.create_subscription(TFMessage, "tf", told["tf"].append, RELIABLE)
    other.create_subscription(TFMessage, "tf_static", told["tf_static"].append, LATCHED)
    joints = other.create_publisher(JointState, "joint_states", RELIABLE)
    at = JointState(name=joint_limits(node.cell.arm.model).names, position=7 * [0.1])
    other.create_timer(0.1, lambda: joints.publish(at))
    assert until(lambda: all(told.values()))
    children = {transform.child_frame_id for transform in told["tf"][0].transforms}
    assert {f"link_{i}" for i in range(1, 8)} <= children
    assert node.diagnose()[0] == OK


def test_a_frame_goes_over_the_wire():
    pose = Pose.from_xyz_rpy([0.1, -0.2, 0.3], [0.4, -0.5, 2.0])
    sent = transform_message(ArmFrame("base", "slider", pose), to_stamp(3.5))
    message = deserialize_message(serialize_message(sent), TransformStamped)
    t, q = message.transform.translation, message.transform.rotation
    again = Pose.from_quaternion([t.x, t.y, t.z], [q.x, q.y, q.z, q.w])
    assert again.matrix() == pytest.approx(pose.matrix(), abs=1e-12)
    assert (message.header.frame_id, message.child_frame_id) == ("base", "slider")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 500_000_000)


def test_robot_state_publisher_is_found_started_and_ended(tmp_path):
    package = "robot_state_publisher"
    assert find_state_publisher({"AMENT_PREFIX_PATH": str(tmp_path)}) is None
    marker = tmp_path / "share/ament_index/resource_index/packages" / package
    program, out = tmp_path / "lib" / package / package, tmp_path / "out"
    for path in (marker, program):
        path.parent.mkdir(parents=True)
    marker.touch()
    program.write_text(STAND_IN.format(python=sys.executable, out=str(out)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert find_state_publisher({"AMENT_PREFIX_PATH": str(tmp_path)}) == program
    helper = StatePublisher(program, '<robot name="it"/>', "/left", True)
    deadline = time.monotonic() + PATIENCE_S
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert helper.running
    helper.close()
    assert not helper.running
    told = out.read_text()
    assert "__ns:=/left" in told
    assert "/tf:=tf" in told
    assert '"robot_description": "<robot name=\\"it\\"/>"' in told
    assert '"use_sim_time": true' in told
