"""What every bag gives, whatever file it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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


class Bag(Protocol):
    """Opened for reading; ``left_out`` counts, by reason, what could not be read so far."""

    start_ns: int
    end_ns: int
    left_out: Counter[str]

    @property
    def topics(self) -> Mapping[str, BagTopic]:
        """By name."""

    def messages(self, topics: Collection[str], from_ns: int = 0) -> Iterator[RawMessage]:
        """The messages of some topics, roughly in the order of their recording."""

    def close(self) -> None:
        """Give the file back."""
