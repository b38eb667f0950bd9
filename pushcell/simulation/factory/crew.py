"""Workers that make episodes: processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice

from pushcell.errors import EpisodeError
from pushcell.simulation.factory.maker import EpisodeMaker, Made
from pushcell.simulation.factory.recipe import Recipe
from pushcell.worker_pool import worker_pool

# One thread a worker: as many workers as cores do more than each with threads of its own.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",
}
_AHEAD = 2  # episodes asked for or finished, a worker, so that memory stays flat


def made_by_processes(recipe: Recipe, indices: Iterable[int], workers: int) -> Iterator[list[Made]]:
    """The attempts at each episode, as they get done; raises EpisodeError when a worker dies."""
    with _environment(ENVIRONMENT):
        pool = worker_pool(workers, _prepare, recipe)
        remaining = iter(indices)
        pending: set[Future[list[Made]]] = set()
        try:
            while True:
                for index in islice(remaining, _AHEAD * workers - len(pending)):
                    pending.add(pool.submit(_make, index))
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise EpisodeError(
                "a worker has died, perhaps for want of memory: take fewer --workers and run the "
                "same command again, which goes on from here"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_maker: EpisodeMaker | None = None


def _prepare(recipe: Recipe) -> None:
    global _maker
    _maker = EpisodeMaker(recipe)


def _make(index: int) -> list[Made]:
    assert _maker is not None
    return _maker.make(index)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
