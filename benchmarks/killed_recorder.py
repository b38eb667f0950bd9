"""Records made-up messages until it is killed, which is done here too.

``python -m benchmarks.killed_recorder FOLDER SECONDS HEIGHT WIDTH``
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.synthetic_cell import START_NS, Heard, live, recording_cell
from pushcell.bags.bag_reader import BagReader
from pushcell.config.cell import load_cell
from pushcell.recording.recorder import Recorder
from pushcell.recording.recovery import recover_all
from pushcell.recording.store import BAG_FILE, EpisodeStore

ROOT = Path(__file__).resolve().parent.parent
SIM_CELL = ROOT / "config" / "cell.sim.yaml"
SECONDS = 6.0


def main(folder: Path, seconds: float, picture: tuple[int, int]) -> None:
    """Tell each tenth of a second how much was published, and go on."""
    cell = recording_cell(load_cell(SIM_CELL))
    messages = list(live(cell, seconds, picture=picture))
    began = time.monotonic_ns()
    recorder = Recorder(
        cell, folder, lambda: START_NS + time.monotonic_ns() - began, lambda _: None
    )
    assert recorder.start() is None
    print("started", time.monotonic(), flush=True)
    for count, message in enumerate(messages, start=1):
        ahead_ns = message.log_ns - START_NS - (time.monotonic_ns() - began)
        if ahead_ns > 0:
            time.sleep(ahead_ns * 1e-9)
        recorder.on_message(*message)
        print(count, time.monotonic(), flush=True)
    recorder.stop("success", "it is done")
    recorder.close()


@dataclass(frozen=True)
class Killed:
    """What was handed over before the kill, and what its recovery gave back."""

    episode: Path
    published: list[Heard]
    kept: list[tuple[str, int, bytes]]
    lost_s: float


def kill_and_recover(folder: Path, seed: int, picture: tuple[int, int] = (24, 32)) -> Killed:
    """Kill -9 a recorder at a random moment of its second to fourth second, then recover."""
    cell = load_cell(SIM_CELL)
    after_s = random.Random(seed).uniform(1.2, 3.5)
    words = [str(folder), str(SECONDS), *map(str, picture)]
    command = [sys.executable, "-m", "benchmarks.killed_recorder", *words]
    recording = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert recording.stdout is not None
    assert recording.stdout.readline().startswith("started")
    began = time.monotonic()
    lines = []
    for line in recording.stdout:
        lines.append(line)
        if time.monotonic() - began > after_s:
            break
    recording.send_signal(signal.SIGKILL)
    ended_s = time.monotonic()
    lines += recording.stdout.readlines()
    recording.wait()
    times_s = [float(line.split()[1]) for line in lines if line.endswith("\n")]
    store = EpisodeStore(folder)
    assert store.episodes() == [], "it has its name only when it is whole"
    (recovered,) = recover_all(store, cell)
    with BagReader(recovered.path / BAG_FILE) as bag:
        kept = [(m.topic, m.log_ns, m.cdr) for m in bag.messages()]
    published = list(live(cell, SECONDS, picture=picture))[: len(times_s)]
    lost_s = ended_s - times_s[len(kept)] if len(kept) < len(times_s) else 0.0
    return Killed(recovered.path, published, kept, lost_s)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4])))
