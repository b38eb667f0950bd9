"""What every bag gives, whatever file it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Bytes = bytes | memoryview


class RawMessage(NamedTuple):
    """One message as it lies in the bag; ``log_ns`` is when it was recorded."""

    topic: str
    log_ns: int
    cdr: Bytes


@dataclass(frozen=True)
class BagTopic:
    """A topic's type, and the type's definition where the bag has it."""

    message_type: str
    definition: str = ""
    language: Literal["msg", "idl"] = "msg"


class Bag(Protocol):
    """Opened for reading; ``left_out`` counts, by reason, what could not be read.

    That is what was lost when it was opened, and in the last pass through its messages.
    ``foreign`` has the topics that are not in ROS 2's CDR, and what they are in.
    """

    start_ns: int
    end_ns: int

    @property
    def left_out(self) -> Counter[str]:
        """By reason."""

    @property
    def foreign(self) -> Mapping[str, str]:
        """Topic -> what it is in."""

    @property
    def topics(self) -> Mapping[str, BagTopic]:
        """By name."""

    def messages(self, topics: Collection[str], from_ns: int = 0) -> Iterator[RawMessage]:
        """The messages of some topics, roughly in the order of their recording."""

    def close(self) -> None:
        """Give the file back."""


def full_type(name: str) -> str:
    """A message type in ROS 2's spelling, also of a schema that lacks the ``/msg/``."""
    return re.sub(r"^(\w+)/(\w+)$", r"\1/msg/\2", name)
