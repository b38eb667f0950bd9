"""Processes of this machine that work for the one that started them, and end with it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from typing import Any

from pushcell.errors import ConfigError, PushcellError

_unprepared: PushcellError | None = None  # in a worker: why it cannot work


def worker_count(asked: int | None) -> int:
    """How many to start: as asked, or one a CPU; raises ConfigError for none."""
    if asked is not None and asked < 1:
        raise ConfigError(f"--workers must be at least 1, not {asked}")
    return asked or len(os.sched_getaffinity(0))


def worker_pool(
    workers: int, prepare: Callable[..., None] | None = None, *arguments: Any
) -> ProcessPoolExecutor:
    """A pool whose processes run ``prepare(*arguments)`` first; its PushcellError is their result.

    Ctrl-C is the parent's affair, which ends them in order; when the parent is gone, however it
    went, they go too.
    """
    return _Pool(workers, get_context("spawn"), _begin, (prepare, arguments))


class _Pool(ProcessPoolExecutor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_do, fn, *args, **kwargs)


def _do(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    if _unprepared is not None:
        raise _unprepared
    return fn(*args, **kwargs)


def _begin(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_the_parent, daemon=True).start()
    global _unprepared
    try:
        if prepare is not None:
            prepare(*arguments)
    except PushcellError as error:
        _unprepared = error


def _die_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
