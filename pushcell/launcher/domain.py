"""Each run gets a DDS domain of its own, so that cells on one machine do not hear each other.

Runs that name the same domain must have different namespaces. A domain is taken by a lock on a
file that all runs of a user share, a namespace in it by another. The operating system lets a lock
go when its last holder has died, however it died.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushcell.errors import LaunchError

SEARCHED_DOMAINS = (0, *range(2, 102))
"""The domains whose ports are below those that Linux gives to other programs; domain 1 has LCM's
own port, 7667, among its ports, and an arm's driver would find it taken."""
_ALLOWED_DOMAINS = range(233)


@dataclass(frozen=True)
class Domain:
    """A domain that is held; ``locks`` are the file descriptors of its locks."""

    number: int
    locks: tuple[int, int]


def default_lock_folder() -> Path:
    """Where the locks of this user are."""
    return Path(tempfile.gettempdir()) / f"pushcell-{os.getuid()}"


@contextmanager
def held_domain(
    environment: Mapping[str, str], folder: Path, namespace: str = ""
) -> Iterator[Domain]:
    """Hold the domain that ROS_DOMAIN_ID names, or the first free one, for a cell in a namespace.

    Raises LaunchError.
    """
    namespace = namespace.strip("/")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        asked = environment.get("ROS_DOMAIN_ID", "")
        domain = _named(asked, folder, namespace) if asked else _first_free(folder, namespace)
    except OSError as error:
        raise LaunchError(
            f"{folder}: cannot keep the locks of DDS domains there ({error.strerror}); "
            "mend it, or set TMPDIR to a folder of yours"
        ) from None
    try:
        yield domain
    finally:
        for lock in domain.locks:
            os.close(lock)


def _named(asked: str, folder: Path, namespace: str) -> Domain:
    if not asked.isdecimal() or int(asked) not in _ALLOWED_DOMAINS:
        raise LaunchError(f"ROS_DOMAIN_ID is {asked!r}; it must be a number from 0 to 232")
    number = int(asked)
    shared = _open(_path(number, folder))
    # Blocks for the instant in which somebody else looks whether the domain is free.
    fcntl.flock(shared, fcntl.LOCK_SH)
    own = _lock(_path(number, folder, namespace))
    if own is None:
        os.close(shared)
        owner = _path(number, folder, namespace).read_text(encoding="utf-8").strip()
        cell = f"namespace {namespace!r} of " if namespace else ""
        raise LaunchError(
            f"{cell}DDS domain {asked} is taken by another pushcell run (process {owner}): stop "
            "that, give another ROS_DOMAIN_ID or namespace:=NAME, or unset ROS_DOMAIN_ID to get "
            "a free domain"
        )
    return Domain(number, (shared, own))


def _first_free(folder: Path, namespace: str) -> Domain:
    for number in SEARCHED_DOMAINS:
        shared = _lock(_path(number, folder))
        if shared is None:
            continue
        own = _lock(_path(number, folder, namespace))
        fcntl.flock(shared, fcntl.LOCK_SH)
        if own is not None:
            return Domain(number, (shared, own))
        os.close(shared)
    raise LaunchError(
        f"no DDS domain is free: {folder} holds a lock on each of "
        f"{SEARCHED_DOMAINS[0]} to {SEARCHED_DOMAINS[-1]}; stop some pushcell runs"
    )


def _lock(path: Path) -> int | None:
    """An exclusive lock on a file that names its holder; None where it is taken."""
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _path(number: int, folder: Path, namespace: str | None = None) -> Path:
    """The file of a domain, or of a namespace (empty: none) in it."""
    cell = "" if namespace is None else f"-cell{namespace and '-'}{namespace.replace('/', '.')}"
    return folder / f"domain-{number}{cell}.lock"
