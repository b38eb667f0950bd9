"""Tells data sets apart by what they hold; libraries are imported as a format needs them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import DataSet

_PARQUET = b"PAR1"


def open_data_set(path: Path, image_px: tuple[int, int], labels: bool = False) -> DataSet:
    """The data set at a path; raises EpisodeError for what is none.

    ``labels``: the slider is where ``pushcell label`` found it; only episodes have such.
    """
    if not path.exists():
        raise EpisodeError(f"{path} is not there")
    if labels:
        from pushcell.formats.episodes_format import EpisodeSet
        from pushcell.recording.store import find_episodes

        if not path.is_dir() or not find_episodes(path):
            raise EpisodeError(f"{path} is no folder of episodes: only those have labels")
        return EpisodeSet(path, image_px, labels=True)
    if path.is_file() and not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            if file.read(len(_PARQUET)) != _PARQUET:
                raise EpisodeError(
                    f"{path} is no data set; those read are folders of episodes, LeRobot's, zarr "
                    "groups, also as a zip, and packed files (Parquet)"
                )
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
