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
from enum import Enum
from pathlib import Path

from pushcell.errors import LaunchError

SEARCHED_DOMAINS = (0, *range(2, 102))
"""The domains whose ports are below those that Linux gives to other programs; domain 1 has LCM's
own port, 7667, among its ports, and an arm's driver would find it taken."""
_ALLOWED_DOMAINS = range(233)


class Role(Enum):
    """What only one process of a domain may be; the value is said to people."""

    CELL = "a simulated cell"
    ARM = "an arm_node"
    COMMANDER = "a node that commands the arm"


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


def hold_role(role: Role) -> int:
    """The lock on what one process alone may be in this DDS domain, held until the process ends.

    Raises LaunchError where another one is it: `ros2 launch` gives all runs the same domain.
    """
    number, folder = int(os.environ.get("ROS_DOMAIN_ID") or "0"), default_lock_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _path(number, folder, role)
    lock = _lock(path)
    if lock is None:
        raise LaunchError(
            f"DDS domain {number} already has {role.value} (process {_owner(path)}): end that run, "
            "or give this one another ROS_DOMAIN_ID"
        )
    return lock


def _named(asked: str, folder: Path) -> Domain:
    if not asked.isdecimal() or int(asked) not in _ALLOWED_DOMAINS:
        raise LaunchError(f"ROS_DOMAIN_ID is {asked!r}; it must be a number from 0 to 232")
    number = int(asked)
    path = _path(number, folder)
    lock = _lock(path)
    taken = path if lock is None else _in_use(number, folder)
    if lock is not None and taken is None:
        return Domain(number, lock)
    if lock is not None:
        os.close(lock)
    owner = "" if taken is None else f" (process {_owner(taken)})"
    raise LaunchError(
        f"DDS domain {asked} is taken by another pushcell run{owner}: stop that, "
        "give another ROS_DOMAIN_ID, or unset it to get a free one"
    )


def _first_free(folder: Path) -> Domain:
    for number in SEARCHED_DOMAINS:
        lock = _lock(_path(number, folder))
        if lock is not None and _in_use(number, folder) is None:
            return Domain(number, lock)
        if lock is not None:
            os.close(lock)
    raise LaunchError(
        f"no DDS domain is free: {folder} holds a lock on each of "
        f"{SEARCHED_DOMAINS[0]} to {SEARCHED_DOMAINS[-1]}; stop some pushcell runs"
    )


def _in_use(number: int, folder: Path) -> Path | None:
    """The lock of a node that runs there though nobody holds the domain, as under `ros2 launch`."""
    for role in Role:
        path = _path(number, folder, role)
        lock = _lock(path) if path.exists() else None
        if lock is not None:
            os.close(lock)
        elif path.exists():
            return path
    return None


def _lock(path: Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _owner(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _path(number: int, folder: Path, role: Role | None = None) -> Path:
    return folder / f"domain-{number}{'' if role is None else f'-{role.name.lower()}'}.lock"
