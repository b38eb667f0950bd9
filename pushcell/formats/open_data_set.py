"""Tells data sets apart by what they hold; libraries are imported as a format needs them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import DataSet


def open_data_set(path: Path, image_px: tuple[int, int]) -> DataSet:
    """The data set at a path; raises EpisodeError for what is none."""
    if not path.exists():
        raise EpisodeError(f"{path} is not there")
    if path.is_file() and not zipfile.is_zipfile(path):
        from pushcell.formats.packed_format import PackedSet

        return PackedSet(path)
    marks = (".zgroup", "zarr.json", "data/.zgroup")
    if path.is_file() or any((path / name).exists() for name in marks):
        from pushcell.formats.zarr_format import ZarrSet

        return ZarrSet(path)
    if (path / "meta" / "info.json").exists():
        from pushcell.formats.lerobot_format import LeRobotSet

        return LeRobotSet(path)
    from pushcell.formats.episodes_format import EpisodeSet

    return EpisodeSet(path, image_px)
