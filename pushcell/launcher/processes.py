"""The processes of a run, told by a token in their environment, and the way they are stopped.

Children inherit the environment, so the token also finds what a node has started, in whatever
process group or session that is. Needs Linux's /proc.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

TOKEN = "PUSHCELL_LAUNCH_TOKEN"

STOP_STAGES = ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))
"""Each signal with the time [s] after which the next one follows."""


def processes_of(token: str) -> set[int]:
    """The process ids of a run, without those that have ended and wait to be reaped."""
    entry = f"{TOKEN}={token}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if entry in environment.split(b"\0"):
            found.add(int(folder.name))
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process, or the group of -pid; what has just ended, or is not ours, is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
