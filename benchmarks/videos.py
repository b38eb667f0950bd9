"""Videos of LeRobot sets: our reader against the decoder alone, in turns in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
from rich.table import Table

from pushcell.formats.data_set import Demonstration
from pushcell.formats.lerobot_format import LeRobotSet
from pushcell.formats.lerobot_video import CODECS
from pushcell.formats.lerobot_writer import write_lerobot
from pushcell.recording.steps import Steps

RATE_HZ = 10.0
SIZES = {"128x128": (128, 128), "640x480": (480, 640)}
_EPISODES, _LENGTH = 4, 100
_ROUNDS = 5
_FAST, _SHARE = 100.0, 0.8


def run() -> dict[str, Any]:
    """For each codec and size: times real time of both, and the reader's share of the decoder."""
    found: dict[str, Any] = {"rate_hz": RATE_HZ, "rounds": _ROUNDS}
    with tempfile.TemporaryDirectory() as folder:
        for codec in CODECS:
            for name, size in SIZES.items():
                path = Path(folder) / f"{codec}_{name}"
                write_lerobot(_demonstrations(size), path, codec)
                found[f"{codec} {name}"] = _compared(path)
    return found


def good(figures: dict[str, Any]) -> bool:
    """Whether each is read at 100 times real time, or about as fast as the decoder decodes it."""
    kinds = [figures[f"{codec} {size}"] for codec in CODECS for size in SIZES]
    return all(kind["reader"] >= _FAST or kind["share"] >= _SHARE for kind in kinds)


def table(figures: dict[str, Any]) -> Table:
    """One row a codec and size."""
    shown = Table(title=f"reading videos of {RATE_HZ:g} Hz, median of {figures['rounds']} rounds")
    for title in ("what", "reader x real time", "decoder x real time", "share"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    for codec in CODECS:
        for size in SIZES:
            kind = figures[f"{codec} {size}"]
            times = f"{kind['reader']:.0f}", f"{kind['decoder']:.0f}"
            shown.add_row(f"{codec} {size}", *times, f"{kind['share']:.2f}")
    return shown


def _compared(path: Path) -> dict[str, float]:
    (video,) = path.glob("videos/*/*/*.mp4")
    reader, decoder = [], []
    for _ in range(_ROUNDS):
        reader.append(_times_real_time(lambda: sum(len(one.steps) for one in LeRobotSet(path))))
        decoder.append(_times_real_time(lambda: sum(1 for _ in _decoded(video))))
    shares = [ours / alone for ours, alone in zip(reader, decoder, strict=True)]
    return {"reader": median(reader), "decoder": median(decoder), "share": median(shares)}


def _times_real_time(work: Callable[[], int]) -> float:
    began = time.monotonic()
    frames = work()
    assert frames == _EPISODES * _LENGTH
    return frames / RATE_HZ / (time.monotonic() - began)


def _decoded(video: Path) -> Iterator[np.ndarray]:
    """All frames as RGB, from the first to the last: no reader can be faster."""
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _demonstrations(size: tuple[int, int]) -> Iterator[Demonstration]:
    height, width = size
    y, x = np.mgrid[:height, :width]
    for episode in range(_EPISODES):
        rng = np.random.default_rng(episode)
        seen = np.empty((_LENGTH, height, width, 3), np.uint8)
        for k in range(_LENGTH):
            spot = np.exp(-((x - width / 4 - k) ** 2 + (y - height / 2) ** 2) / (height**2 / 50))
            with_noise = 40 + 150 * spot[..., None] + rng.normal(0, 2.0, (height, width, 3))
            seen[k] = np.clip(with_noise, 0, 255)
        way = 0.5 + 0.001 * np.arange(_LENGTH * 3).reshape(_LENGTH, 3)
        steps = Steps(RATE_HZ, way, way, way[:, :2], np.zeros(3), {"overhead": seen})
        yield Demonstration(f"episode_{episode:06d}", steps)
