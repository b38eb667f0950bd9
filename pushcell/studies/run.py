"""The cells of a study, several at once: processes of this machine, or of a Ray cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool

from pushcell.processes.environment import changed_environment
from pushcell.processes.worker_pool import worker_pool
from pushcell.studies.cell_run import CellRun, run_cell

# Cells run beside each other: more threads of each would only wait for each other.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_DIED = "its process has died, or one beside it, perhaps for want of memory: take fewer --workers"
Completed = Iterator[tuple[CellRun, str]]
"""Each cell as it ends, with what went wrong, or nothing."""


def completed(runs: Sequence[CellRun], workers: int, ray_address: str | None) -> Completed:
    """Run what is missing of each cell; what is complete comes first and takes no time."""
    missing = [run for run in runs if not run.complete]
    yield from ((run, "") for run in runs if run.complete)
    if not missing:
        return
    if ray_address is not None:
        from pushcell.studies.run_on_ray import completed_by_ray  # an extra that few need

        yield from completed_by_ray(missing, ray_address, _ENVIRONMENT)
        return
    with changed_environment(_ENVIRONMENT):
        yield from _by_processes(missing, workers)


def _by_processes(runs: Sequence[CellRun], workers: int) -> Completed:
    """Only as many are handed out as can run, so that Ctrl-C begins no other."""
    waiting, running = list(reversed(runs)), dict[Future[str], CellRun]()
    pool = worker_pool(workers)
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                try:
                    future = pool.submit(run_cell, waiting[-1])
                except BrokenProcessPool:  # it takes nothing any more
                    pool = worker_pool(workers)
                    continue
                running[future] = waiting.pop()
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                died = isinstance(future.exception(), BrokenProcessPool)
                yield running.pop(future), _DIED if died else future.result()
    finally:
        for process in multiprocessing.active_children() if running else ():
            process.terminate()  # a training writes its checkpoint first
        pool.shutdown()
