"""Workers that generate episodes: processes of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from pushcell.demonstrations.episode_generator import EpisodeGenerator, GeneratedEpisode
from pushcell.demonstrations.generation_config import GenerationConfig
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


def generated_by_processes(
    config: GenerationConfig, indices: Iterable[int], workers: int
) -> Iterator[list[GeneratedEpisode]]:
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
                for attempts in _generated_by_pool(config, work, workers):
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


def _generated_by_pool(
    config: GenerationConfig, work: _Work, workers: int
) -> Iterator[list[GeneratedEpisode]]:
    """Raises BrokenProcessPool when a worker dies."""
    pool = worker_pool(workers, _prepare, config)
    pending: dict[Future[list[GeneratedEpisode]], int] = {}
    work.give_back()
    try:
        while True:
            for index in work.take(_AHEAD * workers - len(pending)):
                pending[pool.submit(_make, index)] = index
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                attempts = future.result()
                work.unfinished.discard(pending.pop(future))
                yield attempts
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_generator: EpisodeGenerator | None = None


def _prepare(config: GenerationConfig) -> None:
    global _generator
    _generator = EpisodeGenerator(config)


def _make(index: int) -> list[GeneratedEpisode]:
    assert _generator is not None
    return _generator.make(index)
