"""Folders of episodes, as they are recorded and generated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import episode_files, read_labelled_steps, read_steps
from pushcell.recording.slider_labels import LABELS_FILE, SliderLabels
from pushcell.recording.store import EpisodeStore, find_episodes


class EpisodeSet:
    """A `DataSet` of one folder; what failed or was rejected is left out.

    With ``labels`` the slider is where ``pushcell label`` found it, and only the steps of pictures
    with a label are given, of the episodes that have any.
    """

    def __init__(self, folder: Path, image_px: tuple[int, int], labels: bool = False) -> None:
        self._image_px = image_px
        self._labels = labels
        found = [(path, EpisodeInfo.load(path)) for path in find_episodes(folder)]
        self._episodes = [(path, info) for path, info in found if info.usable]
        self.left_out = Counter(info.unusable for _, info in found if not info.usable)
        if labels and self._episodes:
            labelled = [pair for pair in self._episodes if (pair[0] / LABELS_FILE).exists()]
            if not labelled:
                raise EpisodeError(f"{folder} has no labels: run pushcell label {folder}")
            self.left_out["without labels"] = len(self._episodes) - len(labelled)
            self._episodes = labelled
        if not self._episodes:
            why = "".join(f"; {count} {what}" for what, count in self.left_out.most_common())
            raise EpisodeError(f"{folder} holds no complete episode that has not failed{why}")

    def __len__(self) -> int:
        return len(self._episodes)

    def __iter__(self) -> Iterator[Demonstration]:
        for path, info in self._episodes:
            if self._labels:
                labels = SliderLabels.load(path)
                steps = read_labelled_steps(path, labels, info, self._image_px)
            else:
                steps = read_steps(path, info, self._image_px)
            yield Demonstration(path.name, steps)


def write_episodes(
    demonstrations: Iterable[Demonstration], folder: Path, cell: CellConfig, origin: str
) -> None:
    """Add each as an episode to a folder; ``cell`` tells of the task besides the goal."""
    store = EpisodeStore(folder)
    for number, demonstration in enumerate(demonstrations):
        steps, name = demonstration.steps, f"episode_{number:06d}"
        info = EpisodeInfo(
            name=name,
            origin="imported",
            task=cell.task.changed(goal=steps.goal.tolist()),
            verdict="unjudged",
            reason=f"{demonstration.name} of {origin}",
            rate_hz=steps.rate_hz,
            steps=len(steps),
        )
        store.save(name, episode_files(steps, info, cell), {"steps": len(steps)})
