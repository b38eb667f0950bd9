"""What lies in a LeRobot data set, versions 2.0, 2.1 and 3.0: features, episodes, rows and images.

Everything is read as its layout says, and checked: what does not hold is refused with the feature,
the episode and the row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.formats.lerobot_layout import INFO_PATH

VERSIONS = ("v3.0", "v2.1", "v2.0")
IMAGE_KINDS = ("image", "video")
# LeRobot's own: how far a timestamp may be from its frame's.
TOLERANCE_S = 1e-4
_VIDEO = ("chunk_index", "file_index", "from_timestamp")
_CLOCKS = ("frame_index", "timestamp")
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class EpisodeEntry:
    """One episode as the metadata has it: its Parquet file, and for each video where it begins."""

    number: int
    length: int
    tasks: tuple[str, ...]
    data: Path
    videos: Mapping[str, tuple[Path, float]]


class LeRobotFiles:
    """A data set's folder; raises EpisodeError for what is none, or of another version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.info = json.loads((folder / INFO_PATH).read_text(encoding="utf-8"))
            self.version = self.info["codebase_version"]
            self.fps = float(self.info["fps"])
            self.features: dict[str, dict[str, Any]] = dict(self.info["features"])
            self.kinds = {key: str(feature["dtype"]) for key, feature in self.features.items()}
        except (OSError, ValueError) as error:
            raise EpisodeError(f"{folder} is not a LeRobot data set ({error})") from None
        except (KeyError, TypeError) as error:
            raise EpisodeError(f"{folder}/{INFO_PATH} lacks {error}, or is malformed") from None
        if self.version not in VERSIONS:
            raise EpisodeError(
                f"{folder} is of LeRobot's version {self.version}; those read are "
                f"{', '.join(VERSIONS)}"
            )
        if not self.fps > 0:
            raise EpisodeError(f"{folder}/{INFO_PATH}: fps is {self.fps:g}, it must be positive")

    @property
    def cameras(self) -> list[str]:
        """The features that are images or videos."""
        return [key for key, kind in self.kinds.items() if kind in IMAGE_KINDS]

    @cached_property
    def episodes(self) -> list[EpisodeEntry]:
        """In order of their numbers; raises EpisodeError for metadata that do not hold."""
        try:
            found = self._newer() if self.version == VERSIONS[0] else self._older()
        except (KeyError, TypeError, ValueError, IndexError, pa.ArrowException) as error:
            raise EpisodeError(
                f"{self.folder}/meta does not tell of its episodes ({error}): it was copied in part"
            ) from None
        return sorted(found, key=lambda entry: entry.number)

    def rows(self, entry: EpisodeEntry, columns: list[str]) -> pa.Table:
        """An episode's rows by ``frame_index``, whose timestamps are those of its frames."""
        where = f"{entry.data}, episode {entry.number}"
        only = [("episode_index", "=", entry.number)]
        wanted = [*columns, *(name for name in _CLOCKS if name not in columns)]
        if not entry.data.is_file():
            raise EpisodeError(f"{where}: the file is not there: the set was copied in part")
        try:
            table = pq.read_table(entry.data, columns=wanted, filters=only)
        except (OSError, pa.ArrowException) as error:
            raise EpisodeError(f"{where}: {str(error).splitlines()[0]}") from None
        missing = [name for name in wanted if name not in table.column_names]
        if missing:
            raise EpisodeError(f"{where}: it lacks the columns {', '.join(missing)}")
        if len(table) != entry.length:
            raise EpisodeError(f"{where} has {len(table)} frames, not {entry.length}")
        table = table.sort_by("frame_index")
        self._check_clocks(table, where)
        return table

    def vector(self, table: pa.Table, key: str, entry: EpisodeEntry) -> NDArray[np.float64]:
        """(T, n) of a feature, all finite."""
        where = f"{self.folder}, feature {key}, episode {entry.number}"
        try:
            values = np.array(table[key].to_pylist(), dtype=np.float64).reshape(len(table), -1)
        except (TypeError, ValueError):
            raise EpisodeError(f"{where}: its rows differ in length, or are no numbers") from None
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise EpisodeError(f"{where}, row {bad[0]}: {values[bad[0]]} is not finite")
        return values

    def images(self, table: pa.Table | None, key: str, entry: EpisodeEntry) -> Images:
        """(T, H, W, 3) RGB of a camera; ``table`` has its column where it is no video."""
        if self.kinds[key] == "video":
            from pushcell.formats.lerobot_video import frames_at

            path, start_s = entry.videos[key]
            times_s = start_s + np.arange(entry.length) / self.fps
            return frames_at(path, times_s, f"feature {key}, episode {entry.number}")
        assert table is not None
        found = []
        for row, stored in enumerate(table[key].to_pylist()):
            where = f"{self.folder}, feature {key}, episode {entry.number}, row {row}"
            found.append(self._image(stored, where))
        shapes = {image.shape for image in found}
        if len(shapes) > 1:
            raise EpisodeError(
                f"{self.folder}, feature {key}, episode {entry.number}: images of different sizes"
            )
        return np.stack(found)

    def _image(self, stored: Any, where: str) -> Images:
        """Of its bytes, or of the file beside the Parquet that its path names."""
        stored = stored if isinstance(stored, dict) else {}
        data, path = stored.get("bytes"), stored.get("path")
        if data is None and path is not None:
            file = self._beside(path)
            if file is None:
                raise EpisodeError(f"{where}: its file {path} is not in the data set")
            data = file.read_bytes()
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if decoded is None:
            raise EpisodeError(f"{where}: its image cannot be decoded")
        return decoded[:, :, ::-1]

    def _beside(self, path: str) -> Path | None:
        """The file in this folder whose path ends as this one does: sets are moved about."""
        parts = [part for part in Path(path).parts if part not in ("/", "..", ".")]
        for start in range(len(parts)):
            file = self.folder.joinpath(*parts[start:])
            if file.is_file():
                return file
        return None

    def _check_clocks(self, table: pa.Table, where: str) -> None:
        numbers, times_s = (np.array(table[k].to_pylist(), float).ravel() for k in _CLOCKS)
        expected = np.arange(len(table))
        wrong = np.flatnonzero(numbers != expected)
        if len(wrong):
            raise EpisodeError(
                f"{where}, row {wrong[0]}: its frame_index is {numbers[wrong[0]]:g}; they must go "
                "from 0 on, without gaps"
            )
        off_s = np.abs(times_s - expected / self.fps)
        # They are in single precision, which is coarse after half an hour.
        coarse_s = np.spacing((expected / self.fps).astype(np.float32))
        late = np.flatnonzero(~(off_s <= TOLERANCE_S + coarse_s))
        if len(late):
            row = int(late[0])
            unit = _unit_of(times_s[row] * self.fps / max(row, 1))
            raise EpisodeError(
                f"{where}, row {row}: its timestamp is {times_s[row]:.4f} s, at {self.fps:g} fps "
                f"it must be {row / self.fps:.4f} s{unit}"
            )

    def _newer(self) -> list[EpisodeEntry]:
        """Version 3.0: many episodes a file."""
        videos = [key for key, kind in self.kinds.items() if kind == "video"]
        columns = ["episode_index", "length", "tasks", "data/chunk_index", "data/file_index"]
        for key in videos:
            columns += [f"videos/{key}/{name}" for name in _VIDEO]
        files = sorted((self.folder / "meta/episodes").glob("*/*.parquet"))
        if not files:
            raise EpisodeError(f"{self.folder} lacks meta/episodes: it was copied in part")
        rows = [r for path in files for r in pq.read_table(path, columns=columns).to_pylist()]
        return [self._entry(row, videos) for row in rows]

    def _entry(self, row: Mapping[str, Any], videos: list[str]) -> EpisodeEntry:
        """Of one row of the metadata; raises EpisodeError naming what it does not tell."""
        for column, value in row.items():
            if column != "tasks" and (value is None or value != value):
                raise EpisodeError(
                    f"{self.folder}/meta/episodes, episode {row['episode_index']}: its {column} is "
                    f"{'missing' if value is None else value}"
                )
        chunk, file = (int(row[f"data/{name}"]) for name in ("chunk_index", "file_index"))
        return EpisodeEntry(
            int(row["episode_index"]),
            int(row["length"]),
            tuple(row["tasks"] or ()),
            self._path("data_path", chunk, file),
            {key: self._video(key, row) for key in videos},
        )

    def _video(self, key: str, row: Mapping[str, Any]) -> tuple[Path, float]:
        chunk, file, start_s = (row[f"videos/{key}/{name}"] for name in _VIDEO)
        return self._path("video_path", int(chunk), int(file), key), float(start_s)

    def _older(self) -> list[EpisodeEntry]:
        """Versions 2.0 and 2.1: one episode a file."""
        path = self.folder / "meta/episodes.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise EpisodeError(f"{path} cannot be read ({error.strerror})") from None
        videos = [key for key, kind in self.kinds.items() if kind == "video"]
        found = []
        for row in map(json.loads, filter(None, lines)):
            number = int(row["episode_index"])
            chunk = number // int(self.info["chunks_size"])
            found.append(
                EpisodeEntry(
                    number,
                    int(row["length"]),
                    tuple(row.get("tasks", ())),
                    self._path("data_path", chunk, number),
                    {k: (self._path("video_path", chunk, number, k), 0.0) for k in videos},
                )
            )
        return found

    def _path(self, template: str, chunk: int, file: int, key: str = "") -> Path:
        """Where the metadata say that a file is; raises EpisodeError for one outside the folder."""
        names = {"chunk_index": chunk, "episode_chunk": chunk, "file_index": file}
        path = self.folder / str(self.info[template]).format(
            **names, episode_index=file, video_key=key
        )
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise EpisodeError(f"{self.folder}/{INFO_PATH}: {template} leads out of the data set")
        return path


def _unit_of(times: float) -> str:
    """What to do with a timestamp that is so many times what it must be."""
    for unit, parts in (("milliseconds", 1e3), ("nanoseconds", 1e9)):
        if abs(times - parts) < 0.01 * parts:
            return f": timestamps are in seconds; divide {unit} by {parts:g}"
    return ""
