"""Reads LeRobot data sets that have the features which this package writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration, malformed_set, require_units
from pushcell.formats.lerobot_files import EpisodeEntry, LeRobotFiles
from pushcell.formats.lerobot_layout import IMAGES, VECTORS
from pushcell.recording.steps import Steps

EMPTY = "without any row"
_OF_SLIDER = ("slider_state", "goal")


class LeRobotSet:
    """A `DataSet`; raises EpisodeError for another version, or features that are missing.

    ``left_out`` counts the episodes that it does not give, by reason. A set without the slider is
    opened only where ``slider_needed`` is not.
    """

    def __init__(self, folder: Path, slider_needed: bool = True) -> None:
        with malformed_set(folder):
            self._open(folder, slider_needed)

    def _open(self, folder: Path, slider_needed: bool) -> None:
        self._files = LeRobotFiles(folder)
        features = self._files.features
        self._has_slider = slider_needed or all(key in features for key in _OF_SLIDER)
        self._vectors = {
            key: layout
            for key, layout in VECTORS.items()
            if self._has_slider or key not in _OF_SLIDER
        }
        missing = [key for key in self._vectors if key not in features]
        if missing:
            raise EpisodeError(
                f"{folder} lacks the features {', '.join(missing)}; it has {', '.join(features)}"
            )
        for key, (_, names, _) in self._vectors.items():
            if list(features[key].get("shape", ())) != [len(names)]:
                found = features[key].get("shape")
                raise EpisodeError(f"{folder}: {key} has shape {found}, not [{len(names)}]")
        self._cameras = [key for key in self._files.cameras if key.startswith(IMAGES)]
        self._episodes = [entry for entry in self._files.episodes if entry.length]
        self.left_out = Counter(EMPTY for entry in self._files.episodes if not entry.length)

    def __len__(self) -> int:
        return len(self._episodes)

    def __iter__(self) -> Iterator[Demonstration]:
        for entry in self._episodes:
            with malformed_set(self._files.folder):
                steps = self._steps(entry)
            yield Demonstration(f"episode_{entry.number:06d}", steps)

    def _steps(self, entry: EpisodeEntry) -> Steps:
        files = self._files
        stored = [key for key in self._cameras if files.kinds[key] == "image"]
        table = files.rows(entry, [*self._vectors, *stored])
        unknown = {"slider": np.full((len(table), 3), np.nan), "goal": np.full((1, 3), np.nan)}
        values = unknown | {
            field: files.vector(table, key, entry) for key, (field, *_) in self._vectors.items()
        }
        values["goal"] = values["goal"][0]
        images = {key: files.images(table, key, entry) for key in self._cameras}
        named = {key.removeprefix(IMAGES): seen for key, seen in images.items()}
        steps = Steps(files.fps, images=named, has_slider=self._has_slider, **values)
        require_units(steps, f"{files.folder}, episode {entry.number}")
        return steps
