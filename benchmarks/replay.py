"""Replay: reading and decoding, a policy over an episode, memory, the first picture."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.table import Table

from benchmarks.synthetic_cell import START_NS, tip_at
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import (
    COMPRESSED_IMAGE,
    IMAGE,
    POSE,
    image_cdr,
    jpeg_cdr,
    tool_pose_cdr,
    upright_pose_cdr,
)
from pushcell.config.cell import CellConfig, cell_from_dict, load_cell
from pushcell.errors import PushcellError
from pushcell.geometry import PlanarPose
from pushcell.recording.streams import (
    COMPRESSED,
    IMAGE_TOPIC,
    PUSHER_TOPIC,
    SLIDER_TOPIC,
    TARGET_TOPIC,
)

ROOT = Path(__file__).resolve().parent.parent
CELL = ROOT / "config" / "cell.sim.yaml"
CAMERAS = ("overhead", "wrist")
IMAGE_RATE_HZ = 30
NOISE = 2.0  # of 255, a camera's
_SECONDS, _SHORT_S, _LONG_S = 60, 10, 600
_GROWTH_MB = 64  # of ten minutes against ten seconds: the outcome, and what the allocator keeps
_LONG_SIZE = (120, 160)  # ten minutes of full pictures would be 8 GB on the disk
_SIZE = (480, 640)
_PICTURES = 60  # different ones, again and again


def run(seconds: float = _SECONDS) -> dict[str, Any]:
    """Everything in processes of their own, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {"seconds": seconds, "image_rate_hz": IMAGE_RATE_HZ}
        for kind in ("lossless", "jpeg"):
            bag = write(Path(folder) / f"{kind}.mcap", seconds, _SIZE, kind == "jpeg")
            found[kind] = {
                "megabytes": bag.stat().st_size / 1e6,
                "read": measured("read", bag),
                "policy": measured("policy", bag),
                "first_picture_s": first_picture(bag),
            }
            bag.unlink()
        for name, length_s in (("short", _SHORT_S), ("long", _LONG_S)):
            bag = write(Path(folder) / f"{name}.mcap", length_s, _LONG_SIZE, True)
            found[name] = {"length_s": length_s, **measured("policy", bag)}
    return found


def good(figures: dict[str, Any]) -> bool:
    """Whether all bounds are kept: 20 and 5 times real time, 2 s, memory."""
    kinds = [figures["lossless"], figures["jpeg"]]
    return (
        all(kind["read"]["times_real_time"] >= 20 for kind in kinds)
        and all(kind["policy"]["times_real_time"] >= 5 for kind in kinds)
        and all(kind["first_picture_s"] < 2 for kind in kinds)
        and figures["long"]["peak_mb"] - figures["short"]["peak_mb"] < _GROWTH_MB
    )


def table(figures: dict[str, Any]) -> Table:
    """One row a measurement."""
    shown = Table(title=f"replay of {figures['seconds']:g} s with two 640x480 cameras at 30 Hz")
    for title in ("what", "lossless", "jpeg"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    kinds = figures["lossless"], figures["jpeg"]
    rows = {
        "size [MB]": [f"{kind['megabytes']:.0f}" for kind in kinds],
        "reading and decoding, times real time": _times(kinds, "read"),
        "a policy from state, times real time": _times(kinds, "policy"),
        "first picture, in a new process [s]": [f"{kind['first_picture_s']:.2f}" for kind in kinds],
    }
    for name, values in rows.items():
        shown.add_row(name, *values)
    for name in ("short", "long"):
        one = figures[name]
        shown.add_row(f"peak memory, {one['length_s']} s [MB]", "-", f"{one['peak_mb']:.0f}")
    return shown


def _times(kinds: tuple[dict[str, Any], ...], what: str) -> list[str]:
    return [f"{kind[what]['times_real_time']:.1f}" for kind in kinds]


def measured(what: str, bag: Path) -> dict[str, float]:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.replay", what, str(bag)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def first_picture(bag: Path) -> float:
    """From the start of a process until the picture is on the disk [s]."""
    began = time.monotonic()
    measured("picture", bag)
    return time.monotonic() - began


def write(path: Path, seconds: float, size: tuple[int, int], jpeg: bool) -> Path:
    """A made-up bag; the pictures are noisy, as a camera's are."""
    cell = load_cell(CELL)
    suffix, kind = (COMPRESSED, COMPRESSED_IMAGE) if jpeg else ("", IMAGE)
    topics = [Topic(name, POSE) for name in (PUSHER_TOPIC, SLIDER_TOPIC, TARGET_TOPIC)]
    topics += [Topic(IMAGE_TOPIC.format(name) + suffix, kind) for name in CAMERAS]
    pictures = [_picture(k, size) for k in range(_PICTURES)]
    with path.open("wb") as stream:
        bag = BagWriter(stream, topics)
        for tick in range(round(seconds * 300)):
            stamp_ns = START_NS + tick * 10**9 // 300
            if tick % 6 == 0:  # 50 Hz
                tip = tip_at(cell, tick / 300)
                bag.add(PUSHER_TOPIC, stamp_ns, tool_pose_cdr(stamp_ns, tip, 0.0125))
                slider = upright_pose_cdr(stamp_ns, PlanarPose(0.5, 0, 0), 0.016)
                bag.add(SLIDER_TOPIC, stamp_ns, slider)
            if tick % 3 == 0:  # 100 Hz
                tip = tip_at(cell, tick / 300)
                bag.add(TARGET_TOPIC, stamp_ns, tool_pose_cdr(stamp_ns, tip, 0.0125))
            if tick % (300 // IMAGE_RATE_HZ) == 0:
                for name in CAMERAS:
                    cdr = image_cdr(stamp_ns, name, pictures[tick // 10 % _PICTURES])
                    cdr = jpeg_cdr(cdr, 95) if jpeg else cdr
                    bag.add(IMAGE_TOPIC.format(name) + suffix, stamp_ns, cdr)
        bag.close(path.name)
    return path


def _picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3): a shape that moves over a soft ground, with noise."""
    rng = np.random.default_rng(number)
    height, width = size
    ground = np.linspace(90, 180, width)[None, :, None] * np.ones((height, 1, 3))
    cv2.circle(ground, (width // 4 + number, height // 2), height // 6, (200, 60, 30), -1)
    with_noise = ground + rng.normal(0, NOISE, ground.shape)
    return np.clip(with_noise, 0, 255).astype(np.uint8)


# In processes of their own


def _cell(bag: Path) -> CellConfig:
    values = load_cell(CELL).model_dump()
    values["cameras"] = [
        {**camera, "rate_hz": float(IMAGE_RATE_HZ)} for camera in values["cameras"]
    ]
    return cell_from_dict(values, str(CELL))


def _read(bag: Path) -> dict[str, float]:
    from pushcell.replay.recording import Recording
    from pushcell.replay.samples import SampleReader

    began = time.monotonic()
    with Recording(bag, _cell(bag)) as recording:
        reader = SampleReader(recording)
        wanted = {"pusher", "slider", "target", *(f"camera {name}" for name in CAMERAS)}
        samples = sum(1 for _ in reader.samples(wanted))
        return _figures(time.monotonic() - began, recording.duration_s, samples)


def _policy(bag: Path) -> dict[str, float]:
    from policy_server.bundle import load_policy
    from pushcell.replay.policy_run import PolicyRun, ReplayOptions
    from pushcell.replay.recording import Recording

    policy = load_policy(_bundle())
    began = time.monotonic()
    with Recording(bag, _cell(bag)) as recording:
        outcome = PolicyRun(recording, policy, "it", ReplayOptions()).run()
        seconds = time.monotonic() - began
        return _figures(seconds, recording.duration_s, len(outcome.chunks))


def _bundle() -> Path:
    """The first one that is shipped."""
    found = sorted((ROOT / "bundles").glob("target_state*"))
    if not found:
        raise PushcellError("there is no bundle bundles/target_state to measure with")
    return found[0]


def _first_picture(bag: Path) -> dict[str, float]:
    from pushcell.replay.pictures import first_picture
    from pushcell.replay.recording import Recording

    with Recording(bag, _cell(bag)) as recording:
        picture = first_picture(recording)
    assert picture is not None
    cv2.imwrite(str(bag.with_suffix(".png")), picture[:, :, ::-1])
    return {}


def _figures(seconds: float, duration_s: float, count: int) -> dict[str, float]:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "times_real_time": duration_s / seconds,
        "count": count,
        "peak_mb": peak_mb,
    }


if __name__ == "__main__":
    _WORK = {"read": _read, "policy": _policy, "picture": _first_picture}
    print(json.dumps(_WORK[sys.argv[1]](Path(sys.argv[2]))))
