"""Records made-up messages until it is ended: ``python -m tests.recording.record FOLDER``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pushcell.config import load_cell
from pushcell.recording.recorder import Recorder
from tests.conftest import SIM_CELL
from tests.recording.live import START_NS, live, recording_cell


def main(folder: Path, seconds: float) -> None:
    """Tell each tenth of a second how much was published, and go on."""
    cell = recording_cell(load_cell(SIM_CELL))
    messages = list(live(cell, seconds))
    began = time.monotonic_ns()
    recorder = Recorder(
        cell, folder, lambda: START_NS + time.monotonic_ns() - began, lambda _: None
    )
    assert recorder.start() is None
    began = time.monotonic_ns()
    print("started", flush=True)
    for count, message in enumerate(messages, start=1):
        ahead_ns = message.log_ns - START_NS - (time.monotonic_ns() - began)
        if ahead_ns > 0:
            time.sleep(ahead_ns * 1e-9)
        recorder.on_message(*message)
        print(count, time.monotonic(), flush=True)
    recorder.stop("success", "it is done")
    recorder.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
