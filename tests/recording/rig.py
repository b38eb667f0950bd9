"""A recorder whose clock is the newest message's, and what its episodes hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.synthetic_cell import START_NS, Heard
from pushcell.bags.bag_reader import BagReader
from pushcell.config.cell import CellConfig
from pushcell.node_states import RecorderState
from pushcell.recording.recorder import Recorder
from pushcell.recording.store import BAG_FILE

SECONDS = 3.0
S = 10**9


class Rig:
    """A recorder whose clock is the newest message's."""

    def __init__(self, cell: CellConfig, folder: Path) -> None:
        self.now_ns = START_NS
        self.failures: list[str] = []
        self.on_failure: Callable[[], None] = lambda: None
        self.recorder = Recorder(cell, folder, lambda: self.now_ns, self._fail)

    def _fail(self, problem: str) -> None:
        self.failures.append(problem)
        self.on_failure()

    def hear(self, messages: list[Heard]) -> None:
        for message in messages:
            self.now_ns = max(self.now_ns, message.log_ns)
            self.recorder.on_message(*message)

    def wait_for(self, *states: str) -> RecorderState:
        until = time.monotonic() + 30
        while (state := self.recorder.state()).state not in states:
            assert time.monotonic() < until, state
            time.sleep(0.01)
        return state


def messages_of(episode: Path) -> list[tuple[str, int, bytes]]:
    with BagReader(episode / BAG_FILE) as bag:
        return [(m.topic, m.log_ns, m.cdr) for m in bag.messages()]


def by_topic(messages: list) -> dict[str, list]:
    return {topic: [m for m in messages if m[0] == topic] for topic in {m[0] for m in messages}}
