"""One writer a folder: two would write the same episodes into each other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pushcell.errors import EpisodeError


@contextmanager
def alone_in(folder: Path, waits: bool = False) -> Iterator[None]:
    """Hold the folder's lock, which the system lets go however its holder ends.

    Where another process holds it: waits for it, or raises EpisodeError.
    """
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise EpisodeError(
            f"{folder}: another pushcell is writing there: let it end, or choose another folder"
        ) from None
    try:
        yield
    finally:
        os.close(lock)
