"""LeRobot's data set format, version 3.0, as this package fills it: what is where.

Parquet files of frames with PNG images inside, so that images stay lossless. What policies see
and do is stored in single precision, as LeRobot's trainers expect; generated episodes lose nothing
by that. The slider's true pose is no ``observation``, so that no policy gets to see it.
"""

from __future__ import annotations

from typing import Any

from pushcell.recording.steps import Steps

VERSION = "v3.0"
TASK = "Push the slider to its goal and bring the pusher home."

INFO_PATH = "meta/info.json"
STATISTICS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

IMAGES = "observation.images."
VECTORS = {
    "observation.state": ("pusher", ("x", "y", "theta"), "float32"),
    "action": ("action", ("x", "y"), "float32"),
    "slider_state": ("slider", ("x", "y", "theta"), "float64"),
    "goal": ("goal", ("x", "y", "theta"), "float64"),
}
"""Feature -> (field of the steps, names of its components, type)."""
COUNTERS = ("frame_index", "episode_index", "index", "task_index")


def features_of(steps: Steps) -> dict[str, dict[str, Any]]:
    """The features of ``info.json``, in the order of the columns."""
    features: dict[str, dict[str, Any]] = {
        IMAGES + name: {
            "dtype": "image",
            "shape": list(images.shape[1:]),
            "names": ["height", "width", "channel"],
        }
        for name, images in steps.images.items()
    }
    for key, (_, names, kind) in VECTORS.items():
        features[key] = {"dtype": kind, "shape": [len(names)], "names": list(names)}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    for key in COUNTERS:
        features[key] = {"dtype": "int64", "shape": [1], "names": None}
    return features
