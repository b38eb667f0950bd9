"""Bags whose every message is compressed by itself (``--compression-mode message``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import zstandard

from pushcell.bags.bag import Bag, BagTopic, RawMessage

FORMAT = "zstd"
NOT_INFLATED = f"messages that are not compressed by {FORMAT}, as metadata.yaml says they are"


class InflatedBag:
    """A `Bag` of compressed messages, uncompressed one by one."""

    def __init__(self, bag: Bag) -> None:
        self._bag = bag
        self._own: Counter[str] = Counter()
        self.start_ns, self.end_ns, self.foreign = bag.start_ns, bag.end_ns, bag.foreign
        self.topics: Mapping[str, BagTopic] = bag.topics

    @property
    def left_out(self) -> Counter[str]:
        """Of the file, and of its messages."""
        return self._bag.left_out + self._own

    def close(self) -> None:
        """Give the file back."""
        self._bag.close()

    def messages(self, topics: Collection[str], from_ns: int = 0) -> Iterator[RawMessage]:
        """See `Bag`."""
        self._own.clear()
        unpacker = zstandard.ZstdDecompressor()
        for message in self._bag.messages(topics, from_ns):
            try:
                cdr = unpacker.decompressobj().decompress(message.cdr)
            except zstandard.ZstdError:
                self._own[NOT_INFLATED] += 1
            else:
                yield message._replace(cdr=cdr)
