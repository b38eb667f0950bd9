"""A rollout as a user starts it, and what its processes take."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
_LAUNCH = (sys.executable, "-m", "pushcell.cli", "launch", "launch/rollout.launch.yaml")


class Rollout:
    """A running launch; ``output`` is what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.output = ""
        self._process = process
        self._cell = psutil.Process(process.pid)
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def folder(self) -> Path:
        """Of the run; AttributeError before it is known."""
        return ROOT / re.search(r"run folder (\S+?),", self.output)[1]  # type: ignore[index]

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    def nodes(self) -> dict[str, psutil.Process]:
        """The nodes' processes by their names."""
        found = {}
        for process in self._cell.children(recursive=True):
            words = process.cmdline()
            module = next((word for word in words if word.startswith("pushcell_ros.")), None)
            if module is not None:
                found[module.removeprefix("pushcell_ros.")] = process
        return found

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.output += line


@contextmanager
def rollout(domain: str, *arguments: str) -> Iterator[Rollout]:
    """Start it with launch arguments in a domain, and end it."""
    process = subprocess.Popen(
        [*_LAUNCH, *arguments],
        cwd=ROOT,
        env={**os.environ, "ROS_DOMAIN_ID": domain},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Rollout(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
