"""Messages that have arrived and wait for the executor."""

from __future__ import annotations

from rclpy.subscription import Subscription


def take_in(subscription: Subscription) -> None:
    """Call the subscription's callback for each message that has arrived, the oldest first.

    An executor handles topics in an order of its own: it may come to a message later than to
    another one that was sent after it.
    """
    with_info = subscription._callback_type is Subscription.CallbackType.WithMessageInfo  # noqa: SLF001
    handle = subscription.handle
    with handle:
        while (found := handle.take_message(subscription.msg_type, subscription.raw)) is not None:
            subscription.callback(*(found if with_info else found[:1]))
