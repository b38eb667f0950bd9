"""Streams in simulated time over real ROS: by stamp, and none is missed that is on its way."""

import threading
import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from sensor_msgs.msg import JointState

from pushcell_ros.conversions import to_nanoseconds, to_time
from pushcell_ros.stamped_stream import StampedStream

DOMAIN = 80
PERIOD_NS = 10_000_000


@pytest.fixture
def stream_and_say():
    """A stream, and what publishes on it."""
    rclpy.init(domain_id=DOMAIN)
    node, other = rclpy.create_node("hears"), rclpy.create_node("says")
    publisher = other.create_publisher(JointState, "/stream", 10)
    stream = StampedStream(node, JointState, "/stream", 10, PERIOD_NS)
    deadline = time.monotonic() + 10
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.01)

    def say(periods: int) -> None:
        message = JointState()
        message.header.stamp = to_time(periods * PERIOD_NS)
        publisher.publish(message)

    yield stream, say
    node.destroy_node()
    other.destroy_node()
    rclpy.shutdown()


def heard(stream, periods):
    messages = stream.until(periods * PERIOD_NS)
    return [to_nanoseconds(message.header.stamp) // PERIOD_NS for message in messages]


def until_heard(stream, periods):
    found = []
    deadline = time.monotonic() + 10
    while not found and time.monotonic() < deadline:
        found = heard(stream, periods)
    return found


def test_what_is_of_later_is_kept_for_later(stream_and_say):
    stream, say = stream_and_say
    for periods in (1, 2, 3):
        say(periods)
    assert until_heard(stream, 1) == [1]
    assert heard(stream, 2) == [2]
    assert heard(stream, 2) == []
    assert heard(stream, 9) == [3]


def test_the_next_one_is_waited_for_and_a_stream_that_ended_only_once(stream_and_say):
    stream, say = stream_and_say
    say(1)
    assert until_heard(stream, 1) == [1]
    later = threading.Timer(0.2, say, [2])
    later.start()
    assert heard(stream, 2) == [2], "it was on its way"
    began = time.monotonic()
    assert heard(stream, 3) == []
    waited = time.monotonic() - began
    assert heard(stream, 4) == heard(stream, 5) == []
    assert waited > 0.4
    assert time.monotonic() - began - waited < 0.4, "it has ended, and is not waited for again"


def test_the_newest_is_the_same_until_there_is_a_newer(stream_and_say):
    stream, say = stream_and_say
    assert stream.newest(PERIOD_NS) is None
    say(1)
    say(2)
    until_heard(stream, 0) or time.sleep(0.3)
    newest = stream.newest(2 * PERIOD_NS)
    assert to_nanoseconds(newest.header.stamp) == 2 * PERIOD_NS
    assert stream.newest(2 * PERIOD_NS) is newest
