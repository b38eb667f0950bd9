"""Joins a Ray cluster, of this machine or of many, or says why that cannot be."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray

from pushcell.errors import ClusterError

LOCAL = "local"
_PATIENCE_S = 5.0


@contextmanager
def joined(address: str, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Be part of the cluster at ``address``, of ``auto`` for the one that this machine is part of,
    or of ``local`` for one that lasts as long as the work; workers get the environment.

    Raises ClusterError where there is none.
    """
    _require_somebody_there(address)
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": dict(environment or {})},
            log_to_driver=False,
            logging_level=logging.WARNING,
            include_dashboard=False if address == LOCAL else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"no Ray cluster at {address!r} ({error}): start one or name another"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_somebody_there(address: str) -> None:
    """Raise ClusterError at once where nobody listens; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise ClusterError(
            f"no Ray cluster at {address} ({error}): start one with `ray start --head`"
        ) from None
