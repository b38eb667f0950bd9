"""Runs the trials in processes of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from pushcell.errors import PushcellError
from pushcell.processes.worker_pool import worker_pool

T_co = TypeVar("T_co", covariant=True)


class SeededTrials(Protocol[T_co]):
    """Trials that depend on their seed alone."""

    def run(self, seed: int) -> T_co:
        """The trial of that seed."""


def run_trials(
    evaluation: SeededTrials[T_co], seeds: Iterable[int], workers: int
) -> Iterator[T_co]:
    """The trials as they get done, with one worker in this process.

    Raises PushcellError when a worker dies.
    """
    if workers == 1:
        yield from map(evaluation.run, seeds)
        return
    pool = worker_pool(workers)
    try:
        for future in as_completed([pool.submit(evaluation.run, seed) for seed in seeds]):
            yield future.result()
    except BrokenProcessPool:
        raise PushcellError(
            "a worker has died, perhaps for want of memory: take fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
