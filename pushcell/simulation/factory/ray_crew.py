"""Workers that make episodes: actors of a Ray cluster, on this machine or on many."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import ray

from pushcell.errors import EpisodeError
from pushcell.simulation.factory.crew import ENVIRONMENT
from pushcell.simulation.factory.maker import EpisodeMaker, Made
from pushcell.simulation.factory.recipe import Recipe

LOCAL = "local"
_PATIENCE_S = 5.0


def made_by_ray(
    recipe: Recipe, indices: Iterable[int], workers: int | None, address: str
) -> Iterator[list[Made]]:
    """The attempts at each episode, as they get done, one worker a CPU of the cluster.

    ``address`` is the cluster's, ``auto`` for the one that this machine is part of, or ``local``
    for one that lasts as long as the work. Raises EpisodeError when the cluster fails.
    """
    _require_somebody_there(address)
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": ENVIRONMENT},
            log_to_driver=False,
            logging_level=logging.WARNING,
            include_dashboard=False if address == LOCAL else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise EpisodeError(
            f"no Ray cluster at {address!r} ({error}): start one or name another"
        ) from None
    try:
        yield from _made(recipe, indices, workers or int(ray.cluster_resources().get("CPU", 1)))
    except ray.exceptions.RayActorError as error:
        raise EpisodeError(
            f"a Ray worker has died ({error}): run the same command again, which goes on from here"
        ) from None
    finally:
        ray.shutdown()


def _require_somebody_there(address: str) -> None:
    """Raise EpisodeError at once where nobody listens; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise EpisodeError(
            f"no Ray cluster at {address} ({error}): start one with `ray start --head`"
        ) from None


def _made(recipe: Recipe, indices: Iterable[int], workers: int) -> Iterator[list[Made]]:
    Worker = ray.remote(num_cpus=1)(EpisodeMaker)
    idle = [Worker.remote(recipe) for _ in range(workers)]
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
            raise error.cause if isinstance(error.cause, EpisodeError) else error from None
