"""Stops a run whose launcher was killed: a process that waits for the launcher's end of a pipe.

The launcher holds the other end of standard input, and so does a child until it has become its
program. When all have gone, what is left of the run is stopped in the usual order.
"""

from __future__ import annotations

import signal
import sys
import time

from pushcell.launcher.processes import STOP_STAGES, processes_of, send


def main(token: str) -> None:
    """Wait for the end of standard input, then see to it that nothing of the run is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for number, patience_s in STOP_STAGES:
        deadline = time.monotonic() + patience_s
        for pid in processes_of(token):
            send(pid, number)
        while processes_of(token) and time.monotonic() < deadline:
            time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1])
