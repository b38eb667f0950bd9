"""Reading zarr groups and arrays whose files may be zipped, damaged, or not all there."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.errors import UnknownCodecError
from numpy.typing import NDArray

from policy_server.bundle_files import UNREADABLE_ZIP
from pushcell.errors import EpisodeError
from pushcell.formats.data_set import MOST_BYTES, malformed_set

_EVERYTHING = slice(None)


@contextmanager
def malformed_group(path: Path) -> Iterator[None]:
    """Raise EpisodeError for whatever goes wrong with arrays that nobody has checked."""
    with malformed_set(path):
        try:
            yield
        except UnknownCodecError as error:
            raise EpisodeError(
                f"{path} has an array in a codec that is not read ({error}): write it again with "
                "one of zarr's own"
            ) from None


def open_group(path: Path) -> Any:
    """A zarr group, of a folder or of a zip of one; raises EpisodeError for what is none."""
    try:
        if not path.is_file():
            return zarr.open_group(str(path), mode="r")
        store = zarr.storage.ZipStore(path, mode="r")
        return zarr.open_group(store, path=_folder_in(path), mode="r")
    except (OSError, ValueError, KeyError, *UNREADABLE_ZIP) as error:
        raise EpisodeError(f"{path} is not a zarr group ({error})") from None


def _folder_in(path: Path) -> str:
    """The folder in a zip that is the group; empty where the zip is the group itself."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    return "" if tops & {".zgroup", "zarr.json"} or len(tops) != 1 else tops.pop()


def check_complete(arrays: Mapping[str, Any], path: Path) -> None:
    """Raise EpisodeError naming an array of which chunks are missing: zarr would read zeros."""
    for name, array in arrays.items():
        chunk_bytes = math.prod(array.chunks) * array.dtype.itemsize
        if chunk_bytes > MOST_BYTES:
            raise EpisodeError(f"{path}: a chunk of {name} has {chunk_bytes} bytes: it is damaged")
        missing = array.nchunks - array.nchunks_initialized
        if missing:
            raise EpisodeError(
                f"{path}: {missing} of the {array.nchunks} chunks of {name} are not there: it was "
                "copied in part"
            )


def rows_of(array: Any, name: str, path: Path, rows: slice = _EVERYTHING) -> NDArray[Any]:
    """Some rows; raises EpisodeError naming the array if they cannot be decoded."""
    try:
        return np.asarray(array[rows])
    except (OSError, RuntimeError, ValueError) as error:
        raise EpisodeError(f"{path}: {name} cannot be read ({error})") from None
