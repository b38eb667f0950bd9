"""Workers that make episodes: processes of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from pushcell.demonstrations.episode_generator import EpisodeMaker, Made
from pushcell.demonstrations.recipe import Recipe
from pushcell.errors import EpisodeError
from pushcell.processes.environment import changed_environment
from pushcell.processes.worker_pool import worker_pool

# One thread a worker: as many workers as cores do more than each with threads of its own.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",
}
_AHEAD = 2  # episodes asked for or finished, a worker, so that memory stays flat
_MOST_DEATHS = 3


def made_by_processes(recipe: Recipe, indices: Iterable[int], workers: int) -> Iterator[list[Made]]:
    """The attempts at each episode, as they get done.

    Graphics libraries have been seen to corrupt their memory after a thousand episodes: a worker
    that dies is replaced, and what it was making is made again. Raises EpisodeError when workers
    die and die again without an episode between.
    """
    work = _Work(iter(indices))
    deaths = 0
    with changed_environment(ENVIRONMENT):
        while deaths < _MOST_DEATHS:
            try:
                for attempts in _made_by_a_pool(recipe, work, workers):
                    deaths = 0
                    yield attempts
                return
            except BrokenProcessPool:
                deaths += 1
    raise EpisodeError(
        f"workers die as soon as they make episode {min(work.unfinished)}, perhaps for want of "
        "memory: take fewer --workers and run the same command again, which goes on from here"
    )


class _Work:
    """Indices of episodes: taken, and finished or taken again."""

    def __init__(self, indices: Iterator[int]) -> None:
        self._indices = indices
        self._again: list[int] = []
        self.unfinished: set[int] = set()

    def take(self, most: int) -> list[int]:
        """Some to be made; none when there are none left."""
        again, self._again = self._again[:most], self._again[most:]
        taken = [*again, *islice(self._indices, most - len(again))]
        self.unfinished.update(taken)
        return taken

    def give_back(self) -> None:
        """Whatever was not finished is to be made again."""
        self._again = sorted(self.unfinished)


def _made_by_a_pool(recipe: Recipe, work: _Work, workers: int) -> Iterator[list[Made]]:
    """Raises BrokenProcessPool when a worker dies."""
    pool = worker_pool(workers, _prepare, recipe)
    pending: dict[Future[list[Made]], int] = {}
    work.give_back()
    try:
        while True:
            for index in work.take(_AHEAD * workers - len(pending)):
                pending[pool.submit(_make, index)] = index
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                made = future.result()
                work.unfinished.discard(pending.pop(future))
                yield made
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_maker: EpisodeMaker | None = None


def _prepare(recipe: Recipe) -> None:
    global _maker
    _maker = EpisodeMaker(recipe)


def _make(index: int) -> list[Made]:
    assert _maker is not None
    return _maker.make(index)
