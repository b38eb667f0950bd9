"""Which processes the scheduler prefers when there are fewer cores than work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

_REAL_TIME_PRIORITY = 10
_LOW_NICENESS = 5


class ProcessPriority(Enum):
    """How long a process may be kept waiting."""

    REAL_TIME = "never behind ordinary work, where the system allows that"
    NORMAL = "like everything else"
    LOW = "behind everything else"

    def apply(self, for_children: bool = True) -> None:
        """Set it for this thread and the threads and, unless not wanted, processes it will start.

        Real time needs the right to it (``ulimit -r`` above 0, or root); without that right, or
        on a system without such priorities, the process stays an ordinary one.
        """
        if self is ProcessPriority.LOW:
            os.setpriority(os.PRIO_PROCESS, 0, _LOW_NICENESS)
        elif hasattr(os, "sched_setscheduler") and self is ProcessPriority.NORMAL:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        elif hasattr(os, "sched_setscheduler"):
            with suppress(PermissionError):
                policy = os.SCHED_RR | (0 if for_children else os.SCHED_RESET_ON_FORK)
                os.sched_setscheduler(0, policy, os.sched_param(_REAL_TIME_PRIORITY))


@contextmanager
def kept_priority() -> Iterator[None]:
    """Undo what a library does to the priority of this thread and of the threads it starts.

    SVT-AV1, run by root, makes them real-time threads of the highest priority, and every process
    that is started later inherits it.
    """
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    before = _threads()
    try:
        yield
    finally:
        for thread in {0} | _threads() - before:
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, policy, parameters)


def _threads() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}
