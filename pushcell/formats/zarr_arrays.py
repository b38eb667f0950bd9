"""Reading zarr arrays whose files may be damaged or may not all be there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import EpisodeError

_EVERYTHING = slice(None)


def check_complete(arrays: Mapping[str, Any], path: Path) -> None:
    """Raise EpisodeError naming an array of which chunks are missing: zarr would read zeros."""
    for name, array in arrays.items():
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
