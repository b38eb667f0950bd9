"""Quality of service of every topic, in one place.

Streams of sensors follow REP-2003: a source offers the middleware's defaults, so that everybody
can subscribe, and a subscriber takes best effort. Commands, states and poses are reliable: a lost
report of the arm ends in a stop. What stays true until it is said anew is latched.
"""

from __future__ import annotations

from rclpy.qos import (
    DurabilityPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
    qos_profile_system_default,
)

SENSOR_SOURCE = qos_profile_system_default
"""Publishers of images, camera info and metadata."""

SENSOR_DATA = qos_profile_sensor_data
"""Subscribers of streams in which the next message makes a lost one good."""

RELIABLE = QoSProfile(depth=10)
"""Commands, states, poses, chunks."""

NEWEST = QoSProfile(depth=1)
"""Reliable, where only the newest message counts."""

STALLED = QoSProfile(depth=50)
"""Reliable, where a process that was kept from running still wants what has come meanwhile."""

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Who subscribes later hears the newest message too."""

EVERYBODY_LATCHED = QoSProfile(depth=200, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The latched message of each of many publishers of one topic: the last word of each comes at
once to whoever begins to listen."""


def recorded(depth: int, reliable: bool, latched: bool) -> QoSProfile:
    """A recorder's, as strong as all publishers offer."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
