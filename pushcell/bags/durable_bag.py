"""A bag that is written beside what it records: synced often, and read back as it grows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from mcap.opcode import Opcode

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagSummary, BagWriter, Topic
from pushcell.bags.mcap_records import (
    DAMAGE,
    MAGIC,
    chunk_contents,
    chunk_data,
    chunk_of,
    whole_records,
)
from pushcell.bags.mcap_repair import repair
from pushcell.errors import EpisodeError

RESERVE_FILE = "reserve"
_RESERVE_BYTES = 4 * 2**20  # for the index and what is written about an episode on a full disk


class DurableBag:
    """A context manager; its methods let OSError through, as that of a full disk.

    What was synced was read back from the disk and compared with its checksums, so closing is
    quick however long the recording.
    """

    def __init__(self, path: Path, topics: Sequence[Topic]) -> None:
        self.path = path
        _reserve(path.with_name(RESERVE_FILE))
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        sync_folder(path.parent)
        self._file = path.open("rb")
        self._writer = BagWriter(cast(IO[bytes], _Unbuffered(self._descriptor)), topics)
        self._checked_to = len(MAGIC)
        self._checked: Counter[int] = Counter()
        self._written = 0

    def __enter__(self) -> DurableBag:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        os.close(self._descriptor)

    def add(self, topic: str, log_ns: int, cdr: bytes, lost: int = 0) -> None:
        """Append one message, before which some were lost."""
        self._writer.add(topic, log_ns, cdr, lost=lost)
        self._written += 1

    def sync(self) -> None:
        """Bring all messages so far to the disk, and read them back."""
        self._writer.flush()
        os.fsync(self._descriptor)
        self._check()

    def close(self, file_name: str) -> BagSummary:
        """Write the index; raises EpisodeError when the disk gives back less than was written."""
        summary = self._writer.close(file_name)
        os.fsync(self._descriptor)
        self._check()
        with BagReader(self.path) as bag:
            indexed = sum(bag.counts.values())
        if not self._written == self._checked.total() == indexed:
            raise self._damaged(
                f"{self._written} messages were written, {self._checked.total()} are there and "
                f"{indexed} in the index"
            )
        return summary

    def cut_short(self) -> None:
        """Make the file whole after writing failed, with the room that was kept for that."""
        free_reserve(self.path.parent)
        try:
            repair(self.path)
        except OSError:
            repair(self.path, keep_torn=False)

    def _check(self) -> None:
        # Pages that are on the disk are let go, so that the disk itself is asked for them.
        with suppress(AttributeError):  # not on every system
            os.posix_fadvise(self._descriptor, self._checked_to, 0, os.POSIX_FADV_DONTNEED)
        try:
            for record in whole_records(self._file, self._checked_to):
                if record.opcode == Opcode.CHUNK:
                    contents = chunk_contents(chunk_data(chunk_of(record)))
                    for channel, index in contents.indexes.items():
                        self._checked[channel] += len(index.records)
                self._checked_to = record.end
        except DAMAGE as error:
            raise self._damaged(error) from None

    def _damaged(self, why: object) -> EpisodeError:
        return EpisodeError(f"{self.path}: the disk does not give back what was written: {why}")


def free_reserve(episode: Path) -> None:
    """Give back the room that was kept for the end of an episode."""
    (episode / RESERVE_FILE).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk: a file without its name is lost, synced or not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reserve(path: Path) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)


class _Unbuffered:
    """A stream that keeps nothing back: what could not be written is not written later."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._offset = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            count = os.write(self._descriptor, view)
            view, self._offset = view[count:], self._offset + count
        return len(data)

    def tell(self) -> int:
        return self._offset

    def flush(self) -> None:
        pass
