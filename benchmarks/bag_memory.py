"""Peak memory of reading a bag of a few seconds and one of two gigabytes, for each kind of file."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rich.table import Table
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from benchmarks.synthetic_cell import START_NS
from pushcell.bags.messages import IMAGE, POSE, image_cdr, tool_pose_cdr
from pushcell.config.cell import load_cell
from pushcell.geometry import PlanarPose

ROOT = Path(__file__).resolve().parent.parent
CELL = ROOT / "config" / "cell.sim.yaml"
RATE_HZ, SIZE = 30, (480, 640)
_SHORT = 0.1  # of the long one
_SECONDS = 72.0  # two gigabytes
_GROWTH_MB = 64
_MAPPING = "pusher: {topic: /hand}\ncameras: {overhead: {topic: /eye}}\n"


class _SyntheticMessage(NamedTuple):
    topic: str
    kind: str
    log_ns: int
    cdr: bytes


def run(seconds: float = _SECONDS) -> dict[str, Any]:
    """For each kind of file the peak of a process that reads the short bag, and the long one."""
    found: dict[str, Any] = {"seconds": seconds}
    for kind in WRITERS:
        found[kind] = {}
        for name, length_s in (("short", _SHORT * seconds), ("long", seconds)):
            with tempfile.TemporaryDirectory() as folder:
                bag = Path(folder) / f"bag{'' if kind == 'sqlite3' else '.mcap'}"
                WRITERS[kind](bag, _messages(length_s))
                size = sum(file.stat().st_size for file in Path(folder).rglob("*.*"))
                found[kind][name] = {"megabytes": size / 1e6, **_measured(bag)}
    return found


def good(figures: dict[str, Any]) -> bool:
    """Whether memory is flat in the size of the bag."""
    kinds = [figures[kind] for kind in WRITERS]
    return all(kind["long"]["peak_mb"] - kind["short"]["peak_mb"] < _GROWTH_MB for kind in kinds)


def table(figures: dict[str, Any]) -> Table:
    """One row a kind of file."""
    shown = Table(title="peak memory of reading every picture [MB]")
    for title in ("file", "short bag", "peak", "long bag", "peak"):
        shown.add_column(title, justify="left" if title == "file" else "right")
    for kind in WRITERS:
        values = (figures[kind][name] for name in ("short", "long"))
        cells = [f"{one[key]:.0f}" for one in values for key in ("megabytes", "peak_mb")]
        shown.add_row(kind, *cells)
    return shown


def _messages(seconds: float) -> Iterator[_SyntheticMessage]:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(10)]
    for k in range(round(seconds * RATE_HZ)):
        stamp_ns = START_NS + k * 10**9 // RATE_HZ
        hand = tool_pose_cdr(stamp_ns, PlanarPose(0.5, 0.0, 0.0), 0.0125)
        yield _SyntheticMessage("/hand", POSE, stamp_ns, hand)
        yield _SyntheticMessage(
            "/eye", IMAGE, stamp_ns, image_cdr(stamp_ns, "eye", pictures[k % 10])
        )


def _write_mcap(path: Path, messages: Iterator[_SyntheticMessage], **options: Any) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    with path.open("wb") as file:
        writer = McapWriter(file, compression=CompressionType.NONE, **options)
        writer.start("ros2", "benchmark")
        channels: dict[str, int] = {}
        for topic, kind, log_ns, cdr in messages:
            if topic not in channels:
                text = store.generate_msgdef(kind, ros_version=2)[0]
                schema = writer.register_schema(kind, "ros2msg", text.encode())
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], log_ns, cdr, log_ns)
        writer.finish()


def _write_sqlite(path: Path, messages: Iterator[_SyntheticMessage]) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    shutil.rmtree(path, ignore_errors=True)
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections: dict[str, Any] = {}
        for topic, kind, log_ns, cdr in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], log_ns, cdr)


WRITERS: dict[str, Callable[[Path, Iterator[_SyntheticMessage]], None]] = {
    "mcap": _write_mcap,
    "mcap, no chunks": lambda path, messages: _write_mcap(path, messages, use_chunking=False),
    "sqlite3": _write_sqlite,
}
"""Kinds of files; of the two readers the first two are read by our own, the last by rosbags."""


def _measured(bag: Path) -> dict[str, float]:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bag_memory", str(bag)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def _read(bag: Path) -> dict[str, float]:
    from pushcell.replay.recording import Recording
    from pushcell.replay.samples import SampleReader

    mapping = bag.with_name("mapping.yaml")
    mapping.write_text(_MAPPING)
    with Recording(bag, load_cell(CELL), mapping) as recording:
        count = sum(1 for _ in SampleReader(recording).samples(recording.map.named))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"samples": count, "peak_mb": peak_mb}


if __name__ == "__main__":
    print(json.dumps(_read(Path(sys.argv[1]))))
