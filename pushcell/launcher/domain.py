"""Each run gets a DDS domain of its own, so that cells on one machine do not hear each other.

A domain is taken by a lock on a file that all runs of a user share. The operating system lets
the lock go when its last holder has died, however it died.
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
    """A domain that is held; ``lock`` is the file descriptor of the lock."""

    number: int
    lock: int


def default_lock_folder() -> Path:
    """Where the locks of this user are."""
    return Path(tempfile.gettempdir()) / f"pushcell-{os.getuid()}"


@contextmanager
def held_domain(environment: Mapping[str, str], folder: Path) -> Iterator[Domain]:
    """Hold the domain that ROS_DOMAIN_ID names, or the first free one; raises LaunchError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        asked = environment.get("ROS_DOMAIN_ID", "")
        domain = _named(asked, folder) if asked else _first_free(folder)
    except OSError as error:
        raise LaunchError(
            f"{folder}: cannot keep the locks of DDS domains there ({error.strerror}); "
            "mend it, or set TMPDIR to a folder of yours"
        ) from None
    try:
        yield domain
    finally:
        os.close(domain.lock)


def _named(asked: str, folder: Path) -> Domain:
    if not asked.isdecimal() or int(asked) not in _ALLOWED_DOMAINS:
        raise LaunchError(f"ROS_DOMAIN_ID is {asked!r}; it must be a number from 0 to 232")
    lock = _lock(int(asked), folder)
    if lock is None:
        owner = _path(int(asked), folder).read_text(encoding="utf-8").strip()
        raise LaunchError(
            f"DDS domain {asked} is taken by another pushcell run (process {owner}): stop that, "
            "give another ROS_DOMAIN_ID, or unset it to get a free one"
        )
    return Domain(int(asked), lock)


def _first_free(folder: Path) -> Domain:
    for number in SEARCHED_DOMAINS:
        lock = _lock(number, folder)
        if lock is not None:
            return Domain(number, lock)
    raise LaunchError(
        f"no DDS domain is free: {folder} holds a lock on each of "
        f"{SEARCHED_DOMAINS[0]} to {SEARCHED_DOMAINS[-1]}; stop some pushcell runs"
    )


def _lock(number: int, folder: Path) -> int | None:
    lock = os.open(_path(number, folder), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _path(number: int, folder: Path) -> Path:
    return folder / f"domain-{number}.lock"
