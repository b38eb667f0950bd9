"""One process of a run: started in a session of its own, its output read line by line."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pushcell.errors import LaunchError
from pushcell.launcher.console import Console, without_escapes
from pushcell.launcher.model import ProcessSpec

_TAIL_LINES = 20
_CHUNK_BYTES = 65536
_LONGEST_LINE_BYTES = 1 << 20
_LAST_CHUNKS = 16
"""A pipe holds no more than this of an ended process; what comes behind is by its children."""


class Child:
    """A started process. ``pipes`` are the file descriptors to read when they are ready.

    It has a session of its own, so that a Ctrl-C in the terminal reaches it once, by way of the
    launcher, and so that its process group has the number of its process.
    """

    def __init__(
        self, spec: ProcessSpec, command: Sequence[str], log: Path, console: Console
    ) -> None:
        self.spec = spec
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._console = console
        self._log = log.open("wb", buffering=0)
        # Descriptors are closed by exec alone: the guard's pipe then stays open until the child
        # carries the run's token.
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                close_fds=False,
            )
        except OSError as error:
            self._log.close()
            raise LaunchError(f"{spec.label}: cannot start {command[0]}: {error}") from None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._errors = self._process.stderr.fileno()
        self.pipes = {self._process.stdout.fileno(), self._errors}
        self._partial = dict.fromkeys(self.pipes, b"")
        for pipe in self.pipes:
            os.set_blocking(pipe, False)

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that killed it."""
        return self._process.poll()

    def read(self, pipe: int) -> None:
        """Take what a pipe holds; one that has ended leaves ``pipes``."""
        try:
            data = os.read(pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.pipes.discard(pipe)
        *lines, rest = (self._partial[pipe] + data).split(b"\n")
        if len(rest) > _LONGEST_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        self._partial[pipe] = rest
        for line in lines:
            self._take(line, pipe)

    def finish(self) -> None:
        """Take what is left in the pipes of an ended process, and close them and the log."""
        for pipe, _ in itertools.product(list(self.pipes), range(_LAST_CHUNKS)):
            self.read(pipe)
        for pipe, rest in self._partial.items():
            if rest:
                self._take(rest, pipe)
        self._log.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _take(self, data: bytes, pipe: int) -> None:
        line = data.decode(errors="replace").rstrip("\r")
        is_error = pipe == self._errors
        if is_error or self.spec.output != "log":
            self._console.show(self.spec.label, line, is_error)
        plain = without_escapes(line)
        self.tail.append(plain)
        try:
            self._log.write(plain.encode() + b"\n")
        except OSError as error:
            self._console.say(f"a line of {self.spec.label} is not in its log: {error.strerror}")
