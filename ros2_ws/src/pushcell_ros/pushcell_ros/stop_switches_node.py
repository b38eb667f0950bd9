"""Who says that the emergency stop is pressed: each publisher of its topic apart.

rclpy does not tell who published a message, rcl does. So this node is in no executor: its one
subscription is read through rcl by whoever owns it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from rclpy.node import Node
from std_msgs.msg import Bool

from pushcell.errors import PushcellError
from pushcell_ros.qos import EVERYBODY_LATCHED

STOP_TOPIC = "safety/estop"
_TAKEN = 0
_GID_BYTES = 16


class _MessageInfo(ctypes.Structure):
    """rmw_message_info_t (rmw/types.h)."""

    _fields_ = (
        ("source_timestamp", ctypes.c_int64),
        ("received_timestamp", ctypes.c_int64),
        ("publication_sequence_number", ctypes.c_uint64),
        ("reception_sequence_number", ctypes.c_uint64),
        ("implementation_identifier", ctypes.c_void_p),
        ("publisher_gid", ctypes.c_uint8 * 24),  # 24 bytes in older releases, else 16 and more
        ("rest", ctypes.c_uint8 * 64),
    )


class StopSwitchesNode(Node):
    """Reads `STOP_TOPIC` as its owner, another node, names it."""

    def __init__(self, owner: Node) -> None:
        super().__init__(
            f"{owner.get_name()}_stop_switches",
            namespace=owner.get_namespace(),
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        try:
            # The one that rclpy has loaded, wherever it lies.
            self._take = ctypes.CDLL("librcl.so").rcl_take
        except (OSError, AttributeError):
            raise PushcellError(
                "rcl cannot be reached, so nobody can tell who presses the emergency stop: "
                "install ROS 2 Jazzy's rclpy (README.md)"
            ) from None
        self._take.argtypes = [ctypes.c_void_p] * 4
        self._topic = owner.resolve_topic_name(STOP_TOPIC)
        self._words = self.create_subscription(Bool, self._topic, lambda _: None, EVERYBODY_LATCHED)

    def heard(self) -> Iterator[tuple[bytes, bool]]:
        """Each word that has come since the last call: who said it, and whether it is pressed."""
        pressed, info = ctypes.c_uint8(), _MessageInfo()
        handle = self._words.handle
        found = ctypes.byref(pressed), ctypes.byref(info), None
        with handle:
            while self._take(handle.pointer, *found) == _TAKEN:
                yield bytes(info.publisher_gid[:_GID_BYTES]), bool(pressed.value)

    def living(self) -> set[bytes]:
        """The publishers that are there."""
        return {
            bytes(found.endpoint_gid[:_GID_BYTES])
            for found in self.get_publishers_info_by_topic(self._topic)
        }
