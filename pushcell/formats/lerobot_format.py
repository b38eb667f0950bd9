"""Reads LeRobot data sets, version 3.0, that have the features which this package writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.lerobot_layout import DATA_PATH, IMAGES, INFO_PATH, VECTORS, VERSION
from pushcell.recording.steps import Steps


class LeRobotSet:
    """A `DataSet`; raises EpisodeError for another version, or features that are missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            info = json.loads((folder / INFO_PATH).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EpisodeError(f"{folder} is not a LeRobot data set ({error})") from None
        if info.get("codebase_version") != VERSION:
            found = info.get("codebase_version")
            raise EpisodeError(f"{folder} is of LeRobot's version {found}, not {VERSION}")
        missing = [key for key in VECTORS if key not in info.get("features", ())]
        if missing:
            raise EpisodeError(f"{folder} lacks the features {', '.join(missing)}")
        videos = [k for k, f in info["features"].items() if f["dtype"] == "video"]
        if videos:
            raise EpisodeError(f"{folder} keeps {', '.join(videos)} as videos, which lose detail")
        self._cameras = [key for key in info["features"] if key.startswith(IMAGES)]
        self._rate_hz = float(info["fps"])
        files = sorted((folder / "meta/episodes").glob("*/*.parquet"))
        if not files:
            raise EpisodeError(f"{folder} lacks meta/episodes: it was copied in part")
        self._rows = pa.concat_tables(
            pq.read_table(path, columns=_EPISODE_COLUMNS) for path in files
        ).to_pylist()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Demonstration]:
        columns = [*VECTORS, *self._cameras]
        for row in sorted(self._rows, key=lambda row: row["episode_index"]):
            number = row["episode_index"]
            path = self._folder / DATA_PATH.format(
                chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
            )
            only = [("episode_index", "=", number)]
            try:
                table = pq.read_table(path, columns=columns, filters=only)
            except (OSError, pa.ArrowException) as error:
                raise EpisodeError(f"{path}, episode {number}: {error}") from None
            if len(table) != row["length"]:
                raise EpisodeError(
                    f"{path}: episode {number} has {len(table)} frames, not {row['length']}"
                )
            yield Demonstration(f"episode_{number:06d}", self._steps(table))

    def _steps(self, table: pa.Table) -> Steps:
        values = {
            field: np.array(table[key].to_pylist(), dtype=np.float64)
            for key, (field, *_) in VECTORS.items()
        }
        values["goal"] = values["goal"][0]
        images = {key.removeprefix(IMAGES): _images(table[key]) for key in self._cameras}
        return Steps(self._rate_hz, images=images, **values)


_EPISODE_COLUMNS = ["episode_index", "length", "data/chunk_index", "data/file_index"]


def _images(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """(T, H, W, 3) RGB."""
    found: list[Any] = []
    for image in column.to_pylist():
        decoded = cv2.imdecode(np.frombuffer(image["bytes"], np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            raise EpisodeError(f"image {image['path']} cannot be decoded")
        found.append(decoded[:, :, ::-1])
    return np.stack(found)
