"""Workers that generate episodes: actors of a Ray cluster, on this machine or on many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import ray

from pushcell.demonstrations.episode_generator import EpisodeGenerator, GeneratedEpisode
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.demonstrations.process_workers import ENVIRONMENT
from pushcell.errors import EpisodeError, PushcellError
from pushcell.processes.ray_cluster import joined


def generated_by_ray(
    config: GenerationConfig, indices: Iterable[int], workers: int | None, address: str
) -> Iterator[list[GeneratedEpisode]]:
    """The attempts at each episode, as they get done, one worker a CPU of the cluster.

    ``address`` as for `joined`. Raises ClusterError or EpisodeError when the cluster fails.
    """
    with joined(address, ENVIRONMENT):
        try:
            yield from _generated(
                config, indices, workers or int(ray.cluster_resources().get("CPU", 1))
            )
        except ray.exceptions.RayActorError as error:
            raise EpisodeError(
                f"a Ray worker has died ({error}): run the same command again, which goes on from "
                "here"
            ) from None


def _generated(
    config: GenerationConfig, indices: Iterable[int], workers: int
) -> Iterator[list[GeneratedEpisode]]:
    Worker = ray.remote(num_cpus=1)(EpisodeGenerator)
    idle = [Worker.remote(config) for _ in range(workers)]
    remaining = iter(indices)
    busy: dict[Any, Any] = {}
    while True:
        for index in islice(remaining, len(idle)):
            worker = idle.pop()
            busy[worker.make.remote(index)] = worker
        if not busy:
            return
        (done,), _ = ray.wait(list(busy), num_returns=1)
        idle.append(busy.pop(done))
        try:
            yield ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, PushcellError) else error from None
