"""The recorder beside a light load: lost messages, CPU, memory, and how long an end takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import zstandard
from rich.table import Table

from benchmarks.recording_rig import RecordingRig, make_frames, recorded_stamps
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import BAG_FILE, find_episodes

LOAD = "import time\nwhile True:\n end = time.monotonic() + 0.002\n" + (
    " while time.monotonic() < end: pass\n time.sleep(0.008)"
)
MEMORY_SAMPLES = 10


def run(seconds: float = 60.0) -> dict[str, Any]:
    """Record for so long, then compare with what was published."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = make_frames(folder / "frames.npz")
        load = subprocess.Popen([sys.executable, "-c", LOAD])
        try:
            figures = _record(folder, seconds)
        finally:
            load.kill()
            load.wait()
    return {**figures, "encodings": _encodings(frames)}


def table(figures: dict[str, Any]) -> Table:
    """One row a figure."""
    shown = Table(
        title=f"recording two 640x480 cameras at 30 Hz, {figures['seconds']:.0f} s, "
        f"{os.cpu_count()} cores",
        show_header=False,
    )
    shown.add_row("messages published meanwhile", str(figures["published"]))
    shown.add_row("of them lost", str(figures["lost"]))
    shown.add_row("CPU of the recorder", f"{100 * figures['cpu_share']:.0f} % of a core")
    shown.add_row("memory [MB]", " ".join(f"{value:.0f}" for value in figures["memory_mb"]))
    shown.add_row("stop to verified and renamed", f"{figures['stop_s']:.2f} s")
    shown.add_row("on the disk", f"{figures['mb_per_s']:.1f} MB/s")
    shown.add_row("gate", f"{figures['verdict']} {'; '.join(figures['reasons'])}")
    shown.add_section()
    for name, row in figures["encodings"].items():
        cost = f"{row['ms']:.2f} ms of CPU an image, {row['kb']:.0f} kB"
        shown.add_row(name, f"{cost}, 1 : {row['ratio']:.1f}")
    return shown


def good(figures: dict[str, Any]) -> bool:
    """Nothing is lost, and an end takes less than a second."""
    return not figures["lost"] and figures["stop_s"] < 1.0


def _record(folder: Path, seconds: float) -> dict[str, Any]:
    with RecordingRig(folder, folder / "frames.npz") as rig:
        process = psutil.Process(rig.start_recorder().pid)
        rig.listen(5.0)  # so that everyone has found everyone
        rig.call("start")
        rig.listen(1.0)
        began, before = time.monotonic(), process.cpu_times()
        memory = []
        for _ in range(MEMORY_SAMPLES):
            rig.listen(seconds / MEMORY_SAMPLES)
            memory.append(process.memory_info().rss / 2**20)
        after, lasted_s = process.cpu_times(), time.monotonic() - began
        stopping = time.monotonic()
        rig.call("success")
        rig.wait(lambda: rig.state["last"]["episode"] != "", 60.0)
        stop_s = time.monotonic() - stopping
        published = rig.published()
        (episode,) = find_episodes(rig.episodes)
        info = EpisodeInfo.load(episode)
        assert info.quality is not None
        total, lost = _compared(published, recorded_stamps(episode))
        size_mb = (episode / BAG_FILE).stat().st_size / 1e6
    cpu_s = after.user + after.system - before.user - before.system
    return {
        "seconds": lasted_s,
        "published": total,
        "lost": lost,
        "cpu_share": cpu_s / lasted_s,
        "memory_mb": memory,
        "stop_s": stop_s,
        "mb_per_s": size_mb / info.quality.duration_s,
        "verdict": info.quality.verdict,
        "reasons": list(info.quality.reasons),
    }


def _compared(published: dict[str, list[int]], recorded: dict[str, list[int]]) -> tuple[int, int]:
    """What was published between the first and the last that was recorded; and what lacks of it."""
    total = lost = 0
    for topic in published.keys() & recorded.keys():
        stamps = recorded[topic]
        meanwhile = {s for s in published[topic] if stamps[0] <= s <= stamps[-1]}
        total += len(meanwhile)
        lost += len(meanwhile - set(stamps))
    return total, lost


def _encodings(frames: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """CPU time and size of an image in each encoding that could be chosen."""
    cv2.setNumThreads(1)
    png = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, 2]
    ways = {
        "raw in chunks under zstd (lossless)": lambda image: zstandard.compress(image.tobytes()),
        "PNG (lossless)": lambda image: cv2.imencode(".png", image, png)[1],
        "JPEG 95": lambda image: cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1],
    }
    images = [image for of_camera in frames.values() for image in of_camera]
    figures = {}
    for name, encode in ways.items():
        encode(images[0])
        began = time.process_time()
        size = sum(len(encode(image)) for image in images) / len(images)
        cost_s = (time.process_time() - began) / len(images)
        figures[name] = {"ms": 1e3 * cost_s, "kb": size / 1e3, "ratio": images[0].nbytes / size}
    return figures
