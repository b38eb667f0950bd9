"""Somebody else on the wires of a drill: says on a topic what the graph's own nodes do not."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

from pydrake.lcm import DrakeLcm
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from pushcell_ros.conversions import to_sender

_PERIOD_S = 0.02


class Rival:
    """A publisher that says what ``word`` makes, 50 times a second; None keeps it silent."""

    def __init__(
        self, node: Node, kind: type, topic: str, word: Callable[[], Any], qos: QoSProfile | int
    ) -> None:
        self._node, self._word, self._due_s = node, word, 0.0
        self._publisher = node.create_publisher(kind, topic, qos)

    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return bool(self._publisher.get_subscription_count() > 0)

    def speak(self) -> None:
        """Say it where it is due."""
        now_s = time.monotonic()
        word = self._word() if now_s >= self._due_s else None
        if word is not None:
            self._publisher.publish(word)
            self._due_s = now_s + _PERIOD_S

    def leave(self) -> None:
        """Be there no more."""
        self._node.destroy_publisher(self._publisher)


class LcmRival:
    """The same on an LCM channel; there nobody can tell who listens."""

    def __init__(self, lcm: DrakeLcm, channel: str, word: Callable[[], bytes]) -> None:
        self._lcm, self._channel, self._word, self._due_s = lcm, channel, word, 0.0

    def is_heard(self) -> bool:
        """It is taken for granted."""
        return True

    def speak(self) -> None:
        """Say it where it is due."""
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._lcm.Publish(self._channel, self._word())
            self._due_s = now_s + _PERIOD_S

    def leave(self) -> None:
        """Nothing is held."""


class MessageListener:
    """The newest message of a topic."""

    def __init__(self, node: Node, kind: type, topic: str) -> None:
        self._node = node
        self.newest: Any = None
        self._subscription = node.create_subscription(kind, topic, self._on_message, 10)

    def leave(self) -> None:
        """Listen no more."""
        self._node.destroy_subscription(self._subscription)

    def _on_message(self, message: Any) -> None:
        self.newest = message


def changed(
    heard: JointState | None,
    offset_rad: float = 0.0,
    sender: str | None = None,
    names: list[str] | None = None,
) -> JointState | None:
    """A message of joints that was heard, with other joints, sender or names."""
    if heard is None:
        return None
    message = copy.deepcopy(heard)
    message.position = [q + offset_rad for q in heard.position]
    if sender is not None:
        message.header.frame_id = f"{sender}/{to_sender(heard)[1] + 1}"
    if names is not None:
        message.name = names
    return message
