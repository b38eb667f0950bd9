"""replay_node over real ROS: what was recorded is published, in its time, as the time line says."""

import json
import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from benchmarks.synthetic_cell import START_NS, tip_at
from pushcell_ros.conversions import to_image, to_planar
from pushcell_ros.replay_node import ReplayNode
from tests.conftest import SIM_CELL
from tests.replay.examples import heard, write_bag

DOMAIN = 86


class Rig:
    """The node and who watches it."""

    def __init__(self, bag, *parameters: str) -> None:
        words = [f"cell:={SIM_CELL}", f"recording:={bag}", "paused:=true", *parameters]
        arguments = [word for value in words for word in ("-p", value)]
        rclpy.init(args=["--ros-args", *arguments], domain_id=DOMAIN)
        self.other = rclpy.create_node("watcher")
        self.poses, self.images, self.clock, self.states = [], [], [], []
        for kind, topic, taken in (
            (PoseStamped, "/pusher/pose", self.poses),
            (Image, "/camera/overhead/color/image_raw", self.images),
            (Clock, "/clock", self.clock),
            (String, "/replay/state", self.states),
        ):
            self.other.create_subscription(kind, topic, taken.append, 100)
        self.wishes = self.other.create_publisher(String, "/replay/request", 10)
        self.node = ReplayNode()
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.other)
        self.spin(
            lambda: (
                self.wishes.get_subscription_count() and self.states and self.clock
                and self.node.count_subscribers("/pusher/pose")
                and self.node.count_subscribers("/camera/overhead/color/image_raw")
            )
        )  # fmt: skip
        time.sleep(0.3)

    @property
    def state(self) -> dict:
        return json.loads(self.states[-1].data)

    def wish(self, do: str, value: float = 0.0) -> None:
        before = len(self.states)
        self.wishes.publish(String(data=json.dumps({"do": do, "value": value})))
        self.spin(lambda: len(self.states) > before + 1)

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
def start(cell, tmp_path):
    rigs = []

    def make(*parameters: str) -> Rig:
        rigs.append(Rig(write_bag(tmp_path / "it.mcap", heard(cell, 4.0)), *parameters))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def stamps(messages) -> list[int]:
    times = [message.header.stamp for message in messages]
    return [stamp.sec * 10**9 + stamp.nanosec for stamp in times]


def test_all_is_published_in_its_order_with_its_clock(cell, start):
    rig = start("rate:=4.0")
    assert rig.poses == []
    rig.wish("play")
    assert rig.spin(lambda: not rig.state["playing"])
    rig.spin(lambda: len(rig.poses) == 200 and len(rig.images) == 40)
    assert stamps(rig.poses) == [START_NS + k * 20_000_000 for k in range(200)]
    assert stamps(rig.images) == [START_NS + k * 100_000_000 for k in range(40)]
    assert to_planar(rig.poses[77]).as_array() == pytest.approx(
        tip_at(cell, 77 * 0.02).as_array(), abs=1e-9
    )
    assert to_image(rig.images[3])[:, 30:32].max() == 200
    times = [message.clock.sec + message.clock.nanosec * 1e-9 for message in rig.clock]
    assert times == sorted(times)
    assert times[-1] - times[0] == pytest.approx(4.0, abs=0.1)


def test_the_time_line_steps_and_seeks(start):
    rig = start()
    rig.wish("step")
    first = len(rig.poses)
    assert first <= 1
    for _ in range(8):
        rig.wish("step")
    assert len(rig.poses) > first
    assert rig.state["position_s"] < 0.1
    rig.poses.clear()
    rig.wish("seek", 2.0)
    rig.wish("rate", 2.0)
    assert rig.state["position_s"] == pytest.approx(2.0, abs=0.05)
    rig.wish("play")
    assert rig.spin(lambda: len(rig.poses) > 30)
    assert min(stamps(rig.poses)) >= START_NS + 1_980_000_000
    rig.wish("pause")
    paused = rig.state
    rig.spin(lambda: False, 0.3)
    assert rig.state == paused
    rig.poses.clear()
    rig.wish("seek", 0.5)
    rig.wish("step")
    assert rig.spin(lambda: rig.poses != [])
    assert min(stamps(rig.poses)) < START_NS + 10**9


def test_it_loops_and_publishes_what_was_chosen(start):
    remap = "remap:='/slider/true_pose:=/pusher/pose'"
    rig = start("loop:=true", "rate:=8.0", "topics:='/slider/true_pose'", remap)
    rig.wish("play")
    assert rig.spin(lambda: len(rig.poses) > 300)
    assert rig.images == []
    assert {pose.pose.position.x for pose in rig.poses} == {0.5}, "it is the slider's, renamed"
    assert rig.state["playing"]
    assert rig.state["loop"]


def test_a_topic_that_is_not_there_is_refused(cell, tmp_path):
    from pushcell.errors import EpisodeError

    bag = write_bag(tmp_path / "it.mcap", heard(cell, 1.0))
    arguments = ["-p", f"cell:={SIM_CELL}", "-p", f"recording:={bag}", "-p", "topics:=/nothing"]
    rclpy.init(args=["--ros-args", *arguments], domain_id=DOMAIN)
    try:
        with pytest.raises(EpisodeError, match=r"/nothing that can be published; it has .*pusher"):
            ReplayNode()
    finally:
        rclpy.shutdown()
