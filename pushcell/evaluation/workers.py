"""Runs the trials in processes of this machine."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool

from pushcell.errors import PushcellError
from pushcell.evaluation.trial import Evaluation, Trial
from pushcell.worker_pool import worker_pool


def run_trials(evaluation: Evaluation, seeds: Iterable[int], workers: int) -> Iterator[Trial]:
    """The trials as they get done; raises PushcellError when a worker dies."""
    pool = worker_pool(workers)
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
