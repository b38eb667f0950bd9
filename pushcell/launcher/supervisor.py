"""Runs the processes of a launch until one of them, or a signal, ends the run; then stops all.

The run's exit code: that of the process which was to end it (0, 1 or 2, anything else is 2);
2 when another process died; 128 + N after signal N; 0 when all have ended by themselves.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pushcell.launcher.child import Child
from pushcell.launcher.console import Console
from pushcell.launcher.model import ProcessSpec
from pushcell.launcher.parameters import parameter_files
from pushcell.launcher.processes import STOP_STAGES, processes_of, send

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REPEAT_S = 0.5
"""A signal that comes sooner after another is the same wish, sent to process and group."""
_SCAN_S = 0.05


@dataclass(frozen=True)
class _Verdict:
    code: int
    reason: str
    culprit: Child | None = None


class Supervisor:
    """One run. ``token`` is in the environment of every process of it."""

    def __init__(
        self, processes: Sequence[ProcessSpec], folder: Path, token: str, console: Console
    ) -> None:
        self._processes = processes
        self._folder = folder
        self._token = token
        self._console = console
        self._selector = selectors.DefaultSelector()
        self._running: list[Child] = []
        self._verdict: _Verdict | None = None
        self._signal_times: list[float] = []

    def run(self) -> int:
        """Start everything, wait, stop everything; the exit code of the run."""
        with self._signals(), self._selector:
            try:
                self._start()
                while self._running and self._verdict is None:
                    self._step(None)
            finally:
                self._stop()
        verdict = self._verdict or _Verdict(0, "all processes have ended")
        if verdict.culprit is not None:
            heading = "its last lines:" if verdict.culprit.tail else "it wrote nothing"
            self._console.say(f"{verdict.reason}; {heading}")
            for line in verdict.culprit.tail:
                self._console.show(verdict.culprit.spec.label, line, is_error=True)
        return verdict.code

    def _start(self) -> None:
        log = self._folder / "log"
        log.mkdir(parents=True, exist_ok=True)
        for spec in self._processes:
            if self._verdict is not None:
                return
            command = ros_command(spec, self._folder / "parameters")
            child = Child(spec, command, log / f"{spec.label}.log", self._console)
            self._running.append(child)
            for pipe in child.pipes:
                self._selector.register(pipe, selectors.EVENT_READ, child)
            self._console.say(f"{spec.label} started (process {child.pid})")
            self._step(0)

    def _step(self, timeout_s: float | None) -> None:
        """Take what has come: output, signals, ends of processes."""
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, Child):
                key.data.read(key.fd)
                if key.fd not in key.data.pipes:
                    self._selector.unregister(key.fd)
            else:
                os.read(key.fd, 4096)
        for child in list(self._running):
            code = child.exit_code()
            if code is not None:
                self._end(child, code)
        if self._console.closed:
            self._decide(_Verdict(2, "nobody reads the output any more"))

    def _end(self, child: Child, code: int) -> None:
        for pipe in child.pipes:
            self._selector.unregister(pipe)
        child.finish()
        self._running.remove(child)
        reason = f"{child.spec.label} {_describe(code)}"
        self._console.say(reason)
        if child.spec.ends_run or code != 0:
            passed_on = child.spec.ends_run and code in (0, 1, 2)
            # 0 and 1, done and good or not, have been told in the process's own words.
            told = passed_on and code < 2
            self._decide(_Verdict(code if passed_on else 2, reason, None if told else child))

    def _decide(self, verdict: _Verdict) -> None:
        if self._verdict is None:
            self._verdict = verdict

    def _stop(self) -> None:
        asked_again = False
        for number, patience_s in STOP_STAGES:
            if not self._anything_left():
                return
            names = ", ".join(child.spec.label for child in self._running) or "what is left"
            why = "asked again: " if asked_again else ""
            self._console.say(f"{why}{number.name} to {names}")
            self._send(number)
            asked_again = self._wait_for_all(patience_s)
        for pid in processes_of(self._token):
            self._console.say(f"process {pid} of this run cannot be killed")

    def _wait_for_all(self, patience_s: float) -> bool:
        """Wait until nothing is left; True if a further signal has cut the patience short."""
        wishes = len(self._signal_times)
        deadline = time.monotonic() + patience_s
        while (left_s := deadline - time.monotonic()) > 0 and self._anything_left():
            self._step(min(left_s, _SCAN_S))
            if len(self._signal_times) > wishes:
                return True
        return False

    def _anything_left(self) -> bool:
        return bool(self._running or processes_of(self._token))

    def _send(self, number: signal.Signals) -> None:
        groups = {child.pid: child.spec for child in self._running}
        for group, spec in groups.items():
            # To a node both are the same, but SIGTERM is quiet even before Python has started.
            quiet = spec.ros is not None and number is signal.SIGINT
            send(-group, signal.SIGTERM if quiet else number)
        for pid in processes_of(self._token):
            try:
                stray = os.getpgid(pid) not in groups
            except ProcessLookupError:
                continue
            if stray:
                send(pid, number)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals wake the selector; SIGCHLD does no more than that."""
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        self._selector.register(reader, selectors.EVENT_READ)
        handled = [number for number in _STOP_SIGNALS if not _is_ignored_hangup(number)]
        before = {number: signal.signal(number, self._on_signal) for number in handled}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._signal_times or now - self._signal_times[-1] > _REPEAT_S:
            self._signal_times.append(now)
        self._decide(_Verdict(128 + number, signal.Signals(number).name))


def _is_ignored_hangup(number: signal.Signals) -> bool:
    """nohup has asked for a run that outlives its terminal."""
    return number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


def ros_command(spec: ProcessSpec, folder: Path) -> list[str]:
    """The words of a process; a node's parameters are written under ``folder``."""
    command = list(spec.program)
    if spec.ros is None:
        return command
    if spec.ros.extra:
        command += ["--ros-args", *spec.ros.extra]
    command += ["--ros-args"]
    if spec.ros.name is not None:
        command += ["-r", f"__node:={spec.ros.name}"]
    if spec.ros.namespace is not None:
        command += ["-r", f"__ns:={spec.ros.namespace}"]
    for path in parameter_files(spec.ros, folder, spec.label):
        command += ["--params-file", str(path)]
    for source, target in spec.ros.remappings:
        command += ["-r", f"{source}:={target}"]
    return command


def _describe(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"
