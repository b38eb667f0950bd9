"""One Parquet file that travels light: episodes as row groups, images raw under zstd.

Most of an image is like the one before it, so zstd over an episode's raw images needs a quarter of
what PNG needs, and undoes it faster. Reading takes numpy and pyarrow, and nothing of the rest of
this package but its steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration, malformed_set
from pushcell.recording.steps import Steps

_KEY = b"pushcell"
_LEVEL = 9
_WIDTHS = {"pusher": 3, "slider": 3, "action": 2, "goal": 3}
_WHOLE_EPISODE = 2**30  # bytes a page: zstd shall see an episode's images at once


class PackedSet:
    """A `DataSet`; any episode can be read by its number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
            stored = self._file.schema_arrow.metadata[_KEY]
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise EpisodeError(f"{path} is not a packed data set ({error})") from None
        with malformed_set(path):
            notes = json.loads(stored)
            self.rate_hz = float(notes["rate_hz"])
            self._shapes = {name: _shape(shape) for name, shape in notes["cameras"].items()}

    def __len__(self) -> int:
        return self._file.num_row_groups

    def __iter__(self) -> Iterator[Demonstration]:
        for number in range(len(self)):
            yield Demonstration(f"episode_{number:06d}", self.steps(number))

    def steps(self, number: int) -> Steps:
        """The steps of an episode by its number; raises EpisodeError for a damaged file."""
        try:
            table = self._file.read_row_group(number).combine_chunks()
        except (OSError, pa.ArrowException) as error:
            raise EpisodeError(f"{self._path}, episode {number}: {error}") from None
        with malformed_set(self._path):
            values = {name: _values(table[name], np.float64, (w,)) for name, w in _WIDTHS.items()}
            values["goal"] = values["goal"][0]
            images = {
                name: _values(table[f"{name}_camera"], np.uint8, shape)
                for name, shape in self._shapes.items()
            }
            return Steps(self.rate_hz, images=images, has_slider=True, **values)


def write_packed(demonstrations: Iterable[Demonstration], path: Path) -> None:
    """Write a new file; raises EpisodeError for cameras or rates that differ."""
    writer: pq.ParquetWriter | None = None
    notes: dict[str, Any] = {}
    try:
        for demonstration in demonstrations:
            steps = demonstration.steps
            shapes = {name: list(images.shape[1:]) for name, images in steps.images.items()}
            found = {"rate_hz": steps.rate_hz, "cameras": shapes}
            if writer is None:
                notes = found
                writer = _writer(path, notes)
            elif found != notes:
                raise EpisodeError(
                    f"episode {demonstration.name} has {found} where this set has {notes}: "
                    "convert them apart"
                )
            writer.write_table(_table(steps, writer.schema), row_group_size=len(steps))
    finally:
        if writer is not None:
            writer.close()


def _writer(path: Path, notes: Mapping[str, Any]) -> pq.ParquetWriter:
    fields = [pa.field(name, pa.list_(pa.float64(), width)) for name, width in _WIDTHS.items()]
    fields += [
        pa.field(f"{name}_camera", pa.binary(int(np.prod(shape))))
        for name, shape in notes["cameras"].items()
    ]
    schema = pa.schema(fields, {_KEY: json.dumps(notes).encode()})
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=False,
        write_statistics=False,
        data_page_size=_WHOLE_EPISODE,
    )


def _table(steps: Steps, schema: pa.Schema) -> pa.Table:
    goals = np.repeat(steps.goal[None], len(steps), axis=0)
    rows: list[NDArray[Any]] = [
        steps.pusher,
        steps.slider,
        steps.action,
        goals,
        *steps.images.values(),
    ]
    return pa.Table.from_arrays(
        [_array(values, field.type) for values, field in zip(rows, schema, strict=True)],
        schema=schema,
    )


def _array(rows: NDArray[Any], kind: pa.DataType) -> pa.Array:
    flat = np.ascontiguousarray(rows)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), kind.list_size)
    return pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(flat)])


def _shape(shape: list[int]) -> tuple[int, ...]:
    """(H, W, 3) of a camera's images."""
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"images of shape {shape}")
    return tuple(int(size) for size in shape)


def _values(column: pa.ChunkedArray, dtype: type, row: tuple[int, ...]) -> NDArray[Any]:
    """A column's rows as one array (T, ...)."""
    (chunk,) = column.chunks
    buffer = (chunk.flatten() if pa.types.is_fixed_size_list(chunk.type) else chunk).buffers()[-1]
    size = len(chunk) * int(np.prod(row))
    return np.frombuffer(buffer, dtype, count=size).reshape(len(chunk), *row)
