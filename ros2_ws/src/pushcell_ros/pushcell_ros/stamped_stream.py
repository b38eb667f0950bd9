"""Messages of one topic in simulated time: used by their stamps, whenever they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from pushcell.timing import steady_seconds
from pushcell_ros.conversions import to_nanoseconds

T = TypeVar("T")

# The middleware may deliver a message a little after its sender has said that it is done. One that
# is due is looked for so long; where it does not come the stream has ended [s].
_LATEST_S, _LOOK_AGAIN_S = 0.5, 0.0002


def taken(subscription: Subscription) -> Iterator[Any]:
    """Each message that has arrived and was not given to the callback, the oldest first."""
    handle = subscription.handle
    with handle:
        while (found := handle.take_message(subscription.msg_type, subscription.raw)) is not None:
            yield found[0]


def take_in(subscription: Subscription) -> None:
    """Call the subscription's callback for each message that has arrived, the oldest first.

    An executor handles topics in an order of its own: it may come to a message later than to
    another one that was sent after it.
    """
    for message in taken(subscription):
        subscription.callback(message)


class StampedStream(Generic[T]):
    """One sender's messages with a header, ``period_ns`` apart while there are any."""

    def __init__(
        self, node: Node, kind: type[T], topic: str, qos: QoSProfile | int, period_ns: int
    ) -> None:
        self._period_ns = period_ns
        self._waiting: deque[T] = deque()
        self._newest_ns: int | None = None
        self._last: T | None = None
        self.subscription = node.create_subscription(kind, topic, self._on_message, qos)

    def until(self, stamp_ns: int) -> list[T]:
        """Those stamped up to a time that have not been given out, the oldest first.

        One is waited for that is due by then and would follow the newest.
        """
        take_in(self.subscription)
        if self._newest_ns is not None and 0 < stamp_ns - self._newest_ns <= self._period_ns:
            self._await(stamp_ns)
        found = []
        while self._waiting and to_nanoseconds(self._waiting[0].header.stamp) <= stamp_ns:  # type: ignore[attr-defined]
            found.append(self._waiting.popleft())
        return found

    def newest(self, stamp_ns: int) -> T | None:
        """The last one stamped up to a time; the same again while there is none newer."""
        self._last = next(reversed(self.until(stamp_ns)), self._last)
        return self._last

    def _await(self, stamp_ns: int) -> None:
        deadline_s = steady_seconds() + _LATEST_S
        while self._newest_ns is not None and self._newest_ns < stamp_ns:
            if steady_seconds() > deadline_s:
                self._newest_ns = None  # it is not waited for until it comes again
                return
            time.sleep(_LOOK_AGAIN_S)
            take_in(self.subscription)

    def _on_message(self, message: T) -> None:
        self._newest_ns = to_nanoseconds(message.header.stamp)  # type: ignore[attr-defined]
        self._waiting.append(message)
