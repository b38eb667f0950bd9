"""The cells of a study as tasks of a Ray cluster, whose machines share the study's folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import ray

from pushcell.processes.ray_cluster import joined
from pushcell.studies.cell_run import CellRun, run_cell


def completed_by_ray(
    runs: Sequence[CellRun], address: str, environment: Mapping[str, str]
) -> Iterator[tuple[CellRun, str]]:
    """Each cell as it ends, one a CPU; raises ClusterError where there is no cluster."""
    with joined(address, environment):
        task = ray.remote(num_cpus=1, max_retries=0)(run_cell)
        running = {task.remote(run): run for run in runs}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            run = running.pop(done)
            try:
                yield run, ray.get(done)
            except ray.exceptions.RayError as error:
                yield run, f"its Ray task failed ({error})"
