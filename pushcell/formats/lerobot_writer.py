"""Writes LeRobot's data set format, version 3.0."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.lerobot_layout import (
    COUNTERS,
    DATA_PATH,
    EPISODES_PATH,
    IMAGES,
    INFO_PATH,
    STATISTICS_PATH,
    TASK,
    TASKS_PATH,
    VECTORS,
    VERSION,
    VIDEO_PATH,
    features_of,
)
from pushcell.formats.lerobot_statistics import ImageStatistics, VectorStatistics
from pushcell.formats.lerobot_video import Film
from pushcell.recording.steps import Steps

_FILES_A_CHUNK = 1000
_FILE_MB = 100
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]

Statistics = dict[str, Any]  # feature -> VectorStatistics or ImageStatistics


def write_lerobot(
    demonstrations: Iterable[Demonstration], folder: Path, video: str | None = None
) -> None:
    """Write a new data set; raises EpisodeError for cameras or rates that differ.

    ``video`` is one of `CODECS`; without it images are kept without loss.
    """
    writer: _LeRobotWriter | None = None
    for demonstration in demonstrations:
        writer = writer or _LeRobotWriter(folder, demonstration.steps, video)
        writer.add(demonstration)
    if writer:
        writer.close()


class _LeRobotWriter:
    def __init__(self, folder: Path, first: Steps, video: str | None) -> None:
        self._folder, self._video = folder, video
        self._rate_hz = first.rate_hz
        self._features = features_of(first, video)
        self._schema = _schema(first, stored=video is None)
        self._films: dict[str, Film] = {}
        self._episodes: list[dict[str, Any]] = []
        self._statistics: Statistics = {}
        self._frames = 0
        self._file_number = -1
        self._file: pq.ParquetWriter | None = None

    def add(self, demonstration: Demonstration) -> None:
        """Append an episode: its rows, its images or videos, and its statistics."""
        steps, number = demonstration.steps, len(self._episodes)
        if features_of(steps, self._video) != self._features or steps.rate_hz != self._rate_hz:
            raise EpisodeError(
                f"episode {demonstration.name} has other cameras or another rate than those before "
                "it: convert them apart"
            )
        file = self._file_with_room()
        table = _table(steps, number, self._frames, self._schema)
        file.write_table(table, row_group_size=len(steps))
        statistics = _statistics(table, steps)
        for key, value in statistics.items():
            before = self._statistics.get(key)
            self._statistics[key] = before + value if before else value
        chunk, index = divmod(self._file_number, _FILES_A_CHUNK)
        films = self._filmed(steps, chunk, index)
        self._episodes.append(
            {
                "episode_index": number,
                "tasks": [TASK],
                "length": len(steps),
                "data/chunk_index": chunk,
                "data/file_index": index,
                "dataset_from_index": self._frames,
                "dataset_to_index": self._frames + len(steps),
                **films,
                **{
                    f"stats/{key}/{name}": value
                    for key, figures in statistics.items()
                    for name, value in figures.as_dict().items()
                },
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )
        self._frames += len(steps)

    def close(self) -> None:
        """Finish the files and write what is known of all."""
        self._end_files()
        episodes = self._at(EPISODES_PATH.format(chunk_index=0, file_index=0))
        pq.write_table(pa.Table.from_pylist(self._episodes), episodes)
        pq.write_table(_tasks(), self._at(TASKS_PATH))
        figures = {key: value.as_dict() for key, value in self._statistics.items()}
        self._at(STATISTICS_PATH).write_text(json.dumps(figures, indent=4))
        self._at(INFO_PATH).write_text(json.dumps(self._info(), indent=4))

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": VERSION,
            "robot_type": "pushcell",
            "total_episodes": len(self._episodes),
            "total_frames": self._frames,
            "total_tasks": 1,
            "chunks_size": _FILES_A_CHUNK,
            "data_files_size_in_mb": _FILE_MB,
            "video_files_size_in_mb": 200,
            "fps": int(self._rate_hz) if self._rate_hz.is_integer() else self._rate_hz,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": DATA_PATH,
            "video_path": None if self._video is None else VIDEO_PATH,
            "features": self._features,
        }

    def _file_with_room(self) -> pq.ParquetWriter:
        if self._file and Path(self._file.where).stat().st_size < _FILE_MB * 2**20:
            return self._file
        self._end_files()
        self._file_number += 1
        chunk, index = divmod(self._file_number, _FILES_A_CHUNK)
        path = self._at(DATA_PATH.format(chunk_index=chunk, file_index=index))
        self._file = pq.ParquetWriter(path, self._schema, compression="snappy")
        return self._file

    def _filmed(self, steps: Steps, chunk: int, index: int) -> dict[str, Any]:
        """Append an episode to the videos; where it is in them, as the metadata have it."""
        if self._video is None:
            return {}
        columns: dict[str, Any] = {}
        for name, images in steps.images.items():
            key = IMAGES + name
            if name not in self._films:
                path = VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=index)
                self._films[name] = Film(self._at(path), images, self._rate_hz, self._video)
            start_s, end_s = self._films[name].add(images)
            columns |= {
                f"videos/{key}/chunk_index": chunk,
                f"videos/{key}/file_index": index,
                f"videos/{key}/from_timestamp": start_s,
                f"videos/{key}/to_timestamp": end_s,
            }
        return columns

    def _end_files(self) -> None:
        if self._file:
            self._file.close()
        for film in self._films.values():
            film.close()
        self._films.clear()

    def _at(self, path: str) -> Path:
        whole = self._folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        return whole


def _schema(steps: Steps, stored: bool) -> pa.Schema:
    """Of the frames; ``stored`` says whether the images are among them."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [(IMAGES + name, image) for name in steps.images if stored]
    for key, (_, names, kind) in VECTORS.items():
        fields.append((key, pa.list_(pa.type_for_alias(kind), len(names))))
    fields += [("timestamp", pa.float32())]
    return pa.schema(fields + [(name, pa.int64()) for name in COUNTERS])


def _table(steps: Steps, number: int, before: int, schema: pa.Schema) -> pa.Table:
    count = len(steps)
    columns: list[pa.Array] = [
        _pngs(images, schema.field(IMAGES + name).type)
        for name, images in steps.images.items()
        if IMAGES + name in schema.names
    ]
    for field, names, kind in VECTORS.values():
        rows = np.broadcast_to(getattr(steps, field), (count, len(names))).astype(kind)
        columns.append(pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), len(names)))
    frames = np.arange(count)
    columns.append(pa.array((frames / steps.rate_hz).astype(np.float32)))
    for values in (frames, np.full(count, number), before + frames, np.zeros(count)):
        columns.append(pa.array(values.astype(np.int64)))
    return pa.Table.from_arrays(columns, schema=schema)


def _pngs(images: NDArray[np.uint8], kind: pa.DataType) -> pa.Array:
    encoded = [cv2.imencode(".png", image[:, :, ::-1], _PNG)[1].tobytes() for image in images]
    paths = [f"frame-{number:06d}.png" for number in range(len(images))]
    return pa.StructArray.from_arrays([pa.array(encoded), pa.array(paths)], fields=list(kind))


def _statistics(table: pa.Table, steps: Steps) -> Statistics:
    found: Statistics = {
        IMAGES + name: ImageStatistics.of(images) for name, images in steps.images.items()
    }
    for name in (*VECTORS, "timestamp", *COUNTERS):
        rows = np.array(table[name].to_pylist()).reshape(len(steps), -1)
        found[name] = VectorStatistics.of(rows)
    return found


def _tasks() -> pa.Table:
    """The table of tasks as pandas writes one whose index is the task."""
    table = pa.table({"task_index": pa.array([0], pa.int64()), "task": pa.array([TASK])})
    note = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {
                "name": name,
                "field_name": name,
                "pandas_type": kind,
                "numpy_type": stored,
                "metadata": None,
            }
            for name, kind, stored in (
                ("task_index", "int64", "int64"),
                ("task", "unicode", "object"),
            )
        ],
        "pandas_version": "2.2.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(note)})
