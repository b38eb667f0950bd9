"""Runs the trials in processes of this machine."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process

from pushcell.errors import PushcellError
from pushcell.evaluation.trial import Evaluation, Trial


def run_trials(evaluation: Evaluation, seeds: Iterable[int], workers: int) -> Iterator[Trial]:
    """The trials as they get done; raises PushcellError when a worker dies."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _prepare)
    try:
        work = functools.partial(Evaluation.run, evaluation)
        for future in as_completed([pool.submit(work, seed) for seed in seeds]):
            yield future.result()
    except BrokenProcessPool:
        raise PushcellError(
            "a worker has died, perhaps for want of memory: take fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers in order
    threading.Thread(target=_die_with_the_parent, daemon=True).start()


def _die_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
