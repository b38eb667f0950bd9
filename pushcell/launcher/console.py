"""What people see of a run: every line with the name of the process that wrote it."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TextIO

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def without_escapes(line: str) -> str:
    """A line as it belongs into a file: no colours."""
    return _ESCAPES.sub("", line)


class Console:
    """Writes prefixed lines. After the terminal or pipe has gone, ``closed`` is true."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self.coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.closed = False
        self._prefixes: dict[str, str] = {}

    def say(self, text: str) -> None:
        """A line of the launcher itself."""
        self._write(sys.stderr, f"[launch] {text}")

    def show(self, label: str, line: str, is_error: bool) -> None:
        """A line of a process, to the stream that it wrote to."""
        self._write(sys.stderr if is_error else sys.stdout, f"{self._prefix(label)} {line}")

    def _prefix(self, label: str) -> str:
        if label not in self._prefixes:
            colour = _COLOURS[len(self._prefixes) % len(_COLOURS)]
            plain = f"[{label}]"
            self._prefixes[label] = f"\x1b[{colour}m{plain}\x1b[0m" if self.coloured else plain
        return self._prefixes[label]

    def _write(self, stream: TextIO, text: str) -> None:
        if self.closed:
            return
        try:
            stream.write(text + "\n")
            stream.flush()
        except OSError:
            self.closed = True
            # Python writes what is still buffered once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
