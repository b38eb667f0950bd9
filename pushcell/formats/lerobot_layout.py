"""LeRobot's data set format, version 3.0, as this package fills it: what is where.

Parquet files of frames with PNG images inside, so that images stay lossless, or with videos beside
them. What policies see and do is stored in single precision, as LeRobot's trainers expect;
generated episodes lose nothing by that. The slider's true pose is no ``observation``, so that no
policy gets to see it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushcell.recording.steps import Steps

VERSION = "v3.0"
TASK = "Push the slider to its goal and bring the pusher home."

INFO_PATH = "meta/info.json"
STATISTICS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

IMAGES = "observation.images."
VECTORS = {
    "observation.state": ("pusher", ("x", "y", "theta"), "float32"),
    "action": ("action", ("x", "y"), "float32"),
    "slider_state": ("slider", ("x", "y", "theta"), "float64"),
    "goal": ("goal", ("x", "y", "theta"), "float64"),
}
"""Feature -> (field of the steps, names of its components, type)."""
COUNTERS = ("frame_index", "episode_index", "index", "task_index")


def features_of(steps: Steps, video: str | None = None) -> dict[str, dict[str, Any]]:
    """The features of ``info.json``, in the order of the columns.

    ``video`` is the codec's name, where cameras are kept as videos.
    """
    features: dict[str, dict[str, Any]] = {
        IMAGES + name: {
            "dtype": "image" if video is None else "video",
            "shape": list(images.shape[1:]),
            "names": ["height", "width", "channel"],
            **({} if video is None else {"info": _video_info(steps.rate_hz, images, video)}),
        }
        for name, images in steps.images.items()
    }
    for key, (_, names, kind) in VECTORS.items():
        features[key] = {"dtype": kind, "shape": [len(names)], "names": list(names)}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    for key in COUNTERS:
        features[key] = {"dtype": "int64", "shape": [1], "names": None}
    return features


def _video_info(rate_hz: float, images: NDArray[np.uint8], codec: str) -> dict[str, Any]:
    return {
        "video.height": images.shape[1],
        "video.width": images.shape[2],
        "video.channels": 3,
        "video.fps": rate_hz,
        "video.codec": codec,
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "has_audio": False,
    }
