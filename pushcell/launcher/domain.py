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
from enum import Enum
from pathlib import Path

from pushcell.errors import LaunchError

SEARCHED_DOMAINS = (0, *range(2, 102))
"""The domains whose ports are below those that Linux gives to other programs; domain 1 has LCM's
own port, 7667, among its ports, and an arm's driver would find it taken."""
_ALLOWED_DOMAINS = range(233)
_RUN = "run"


class Role(Enum):
    """What only one process of a cell may be; the value is said to people."""

    CELL = "a simulated cell"
    ARM = "an arm_node"
    COMMANDER = "a node that commands the arm"


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
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        asked = environment.get("ROS_DOMAIN_ID", "")
        domain = _named(asked, folder, namespace) if asked else _first_free(folder, namespace)
    except OSError as error:
        raise LaunchError(
            f"{folder}: cannot store the locks of DDS domains there ({error.strerror}); "
            "fix that, or set TMPDIR to a folder that you own"
        ) from None
    try:
        yield domain
    finally:
        _close(*domain.locks)


def hold_role(role: Role, namespace: str) -> int:
    """The lock on what one process alone may be in a namespace of this DDS domain, until closed.

    Raises LaunchError where another one is it: `ros2 launch` gives all runs the same domain.
    """
    number, folder = int(os.environ.get("ROS_DOMAIN_ID") or "0"), default_lock_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _path(number, folder, role.name.lower(), namespace)
    lock = _lock(path)
    if lock is None:
        raise LaunchError(
            f"{_cell(number, namespace)} already has {role.value} (process {_owner(path)}): end "
            "that run, or give this one another ROS_DOMAIN_ID or namespace"
        )
    return lock


def _named(asked: str, folder: Path, namespace: str) -> Domain:
    if not asked.isdecimal() or int(asked) not in _ALLOWED_DOMAINS:
        raise LaunchError(f"ROS_DOMAIN_ID is {asked!r}; it must be a number from 0 to 232")
    number = int(asked)
    shared = _open(_path(number, folder))
    # Blocks for the instant in which somebody else looks whether the domain is free.
    fcntl.flock(shared, fcntl.LOCK_SH)
    path = _path(number, folder, _RUN, namespace)
    own = _lock(path)
    taken = path if own is None else _in_use(number, folder, namespace)
    if own is not None and taken is None:
        return Domain(number, (shared, own))
    _close(shared, own)
    owner = "" if taken is None else f" (process {_owner(taken)})"
    raise LaunchError(
        f"{_cell(number, namespace)} is taken by another pushcell run{owner}: stop that, give "
        "another ROS_DOMAIN_ID or namespace:=NAME, or unset ROS_DOMAIN_ID to get a free domain"
    )


def _first_free(folder: Path, namespace: str) -> Domain:
    for number in SEARCHED_DOMAINS:
        shared = _lock(_path(number, folder))
        if shared is None:
            continue
        own = _lock(_path(number, folder, _RUN, namespace))
        if own is not None and _in_use(number, folder, "*") is None:
            fcntl.flock(shared, fcntl.LOCK_SH)
            return Domain(number, (shared, own))
        _close(shared, own)
    raise LaunchError(
        f"no DDS domain is free: {folder} holds a lock on each of "
        f"{SEARCHED_DOMAINS[0]} to {SEARCHED_DOMAINS[-1]}; stop some pushcell runs"
    )


def _in_use(number: int, folder: Path, namespace: str) -> Path | None:
    """The lock of a node that runs there though no run holds it, as under `ros2 launch`.

    The namespace ``*`` is any.
    """
    for role in Role:
        for path in folder.glob(_path(number, folder, role.name.lower(), namespace).name):
            lock = _lock(path)
            if lock is None:
                return path
            os.close(lock)
    return None


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


def _close(*locks: int | None) -> None:
    for lock in locks:
        if lock is not None:
            os.close(lock)


def _owner(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _cell(number: int, namespace: str) -> str:
    """A namespace of a domain, in words."""
    name = namespace.strip("/")
    return f"{f'namespace {name!r} of ' if name else ''}DDS domain {number}"


def _path(number: int, folder: Path, what: str = "", namespace: str = "") -> Path:
    """The lock of a domain, or of a run or a role in a namespace of it (``/`` or empty: none)."""
    part = f"-{what}-{namespace.strip('/').replace('/', '.')}" if what else ""
    return folder / f"domain-{number}{part}.lock"
