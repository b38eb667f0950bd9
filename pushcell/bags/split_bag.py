"""A recording in several files, of which some may be damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from pushcell.bags.bag import Bag, BagTopic, RawMessage


class SplitBag:
    """A `Bag` of bags that follow each other in time; ``lost`` are files that it could not open."""

    def __init__(self, parts: Sequence[Bag], lost: Sequence[str]) -> None:
        self._parts = sorted(parts, key=lambda part: part.start_ns)
        self._lost = Counter(lost)
        self.start_ns = self._parts[0].start_ns
        self.end_ns = max(part.end_ns for part in self._parts)
        self.topics: Mapping[str, BagTopic] = {
            name: topic for part in reversed(self._parts) for name, topic in part.topics.items()
        }
        self.foreign: Mapping[str, str] = {
            name: what for part in self._parts for name, what in part.foreign.items()
        }

    @property
    def left_out(self) -> Counter[str]:
        """Of all parts."""
        return sum((part.left_out for part in self._parts), Counter(self._lost))

    def close(self) -> None:
        """Give all files back."""
        for part in self._parts:
            part.close()

    def messages(self, topics: Collection[str], from_ns: int = 0) -> Iterator[RawMessage]:
        """See `Bag`."""
        for part in self._parts:
            if part.end_ns >= from_ns:
                yield from part.messages(topics, from_ns)
