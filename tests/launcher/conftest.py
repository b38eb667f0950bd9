"""Runs of the real command, with everything they start marked and found by an independent way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
# Tests under nohup: the runs would inherit that they are not to end with their terminal.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Run:
    """``pushcell launch`` on a file of its own, in a folder of its own beside Python packages.

    ``$(py NAME)`` in the text stands for running that script, which ``scripts`` gives.
    """

    def __init__(
        self,
        folder: Path,
        text: str,
        words: tuple[str, ...],
        environment: dict[str, str],
        scripts: dict[str, str],
    ):
        self.folder = folder
        for name, script in scripts.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(script))
            text = text.replace(f"$(py {name})", f"{sys.executable} {folder}/{name}.py")
        (folder / "it.launch.yaml").write_text(textwrap.dedent(text))
        paths = [str(ROOT), str(folder.parent), os.environ.get("PYTHONPATH", "")]
        hidden = ("ROS_", "PUSHCELL_", "NO_COLOR")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pushcell.cli", "launch", "it.launch.yaml", *words],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(hidden)},
                "PYTHONPATH": os.pathsep.join(paths),
                "TMPDIR": str(folder),
                **environment,
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def wait_for(self, *texts: str) -> None:
        """Read output until each text has been seen."""
        assert self.process.stdout is not None
        while not all(text in self.output for text in texts):
            line = self.process.stdout.readline()
            assert line, f"ended without {texts}: {self.output}"
            self.output += line

    def end(self) -> int:
        """Read the rest of the output; the exit code."""
        self.output += self.process.communicate(timeout=60)[0]
        return self.process.returncode

    def signal(self, number: signal.Signals, group: bool = False) -> None:
        """Signal the launcher, or its whole process group as a terminal does."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    @property
    def run_folder(self) -> Path:
        """The one folder under runs/."""
        (folder,) = (self.folder / "runs").iterdir()
        return folder

    def left(self) -> list[str]:
        """Every process of the run."""
        return processes_in(self.folder)


def processes_in(folder: Path) -> list[str]:
    """Every process that works in a folder, told by that alone."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != "zombie":
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def wait_until_empty(folder: Path) -> None:
    """Wait until no process works in a folder; fails after 20 s."""
    deadline = time.monotonic() + 20
    while processes_in(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_in(folder) == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start a Run: ``start(text, *words, environment={}, **scripts)``."""
    runs: list[Run] = []

    def start_one(
        text: str, *words: str, environment: dict[str, str] | None = None, **scripts: str
    ) -> Run:
        folder = tmp_path / f"run{len(runs)}"
        folder.mkdir()
        runs.append(Run(folder, text, words, environment or {}, scripts))
        return runs[-1]

    yield start_one
    for run in runs:
        run.process.kill()
        run.process.wait()
        run.process.stdout.close()  # type: ignore[union-attr]
        wait_until_empty(run.folder)
