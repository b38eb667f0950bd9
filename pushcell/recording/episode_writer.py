"""Writes one episode's messages in a thread of its own, so that nobody waits for the disk."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pushcell.bags.bag_writer import BagSummary, Topic
from pushcell.bags.durable_bag import DurableBag
from pushcell.errors import EpisodeError
from pushcell.recording.quality import QualityGate
from pushcell.recording.store import BAG_FILE, naming_a_full_disk
from pushcell.recording.streams import Stream


class _Item(NamedTuple):
    topic: str
    log_ns: int
    cdr: bytes
    lost: int


class EpisodeWriter:
    """``put`` and ``end`` may be called in any thread, ``run`` is the writing one's.

    Messages wait in memory while the disk is slow, up to a limit; what comes beyond it is
    counted in ``overflowed`` and missing in the episode. An image that is not colour is recorded
    as it came, unless it was to be compressed; the gate rejects the episode either way.
    """

    def __init__(
        self, streams: Mapping[str, Stream], gate: QualityGate, sync_s: float, buffer_bytes: int
    ) -> None:
        self._streams, self._gate = streams, gate
        self._names = {topic: stream.stored().name for topic, stream in streams.items()}
        self._sync_s, self._buffer_bytes = sync_s, buffer_bytes
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._taken_bytes = 0
        self._put_bytes = 0
        self.overflowed = 0

    def put(self, topic: str, log_ns: int, cdr: bytes, lost: int) -> None:
        """Hand over a message as it was published."""
        if self._put_bytes - self._taken_bytes > self._buffer_bytes:
            self.overflowed += 1
            return
        self._put_bytes += len(cdr)
        self._items.put(_Item(topic, log_ns, cdr, lost))

    def end(self) -> None:
        """No more messages will come."""
        self._items.put(None)

    def run(self, folder: Path, topics: Sequence[Topic]) -> BagSummary:
        """Write until the end; raises EpisodeError, or OSError for a disk that fails otherwise, the
        file whole as far as it could be written.

        A message is on the disk ``sync_s`` after it came, and what a sync takes.
        """
        with (
            naming_a_full_disk(f"the rest of {folder.stem}"),
            DurableBag(folder / BAG_FILE, topics) as bag,
        ):
            try:
                self._write(bag)
                return bag.close(BAG_FILE)
            except (EpisodeError, OSError):
                bag.cut_short()
                raise

    def _write(self, bag: DurableBag) -> None:
        sync_at = time.monotonic() + self._sync_s
        while True:
            try:
                item = self._items.get(timeout=max(0.0, sync_at - time.monotonic()))
            except queue.Empty:
                pass
            else:
                if item is None:
                    return
                self._add(bag, item)
            if time.monotonic() >= sync_at:
                bag.sync()
                sync_at = time.monotonic() + self._sync_s

    def _add(self, bag: DurableBag, item: _Item) -> None:
        self._taken_bytes += len(item.cdr)
        self._gate.on_message(item.topic, item.log_ns, item.cdr, item.lost)
        try:
            cdr = self._streams[item.topic].encoded(item.cdr)
        except ValueError as error:
            self._gate.cannot_judge(item.topic, error)
            return
        bag.add(self._names[item.topic], item.log_ns, cdr, item.lost)
