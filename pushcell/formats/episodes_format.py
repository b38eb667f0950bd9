"""Folders of episodes, as they are recorded and generated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import episode_files, read_steps
from pushcell.recording.store import EpisodeStore, find_episodes


class EpisodeSet:
    """A `DataSet` of one folder; what failed or was rejected is left out."""

    def __init__(self, folder: Path, image_px: tuple[int, int]) -> None:
        self._image_px = image_px
        found = [(path, EpisodeInfo.load(path)) for path in find_episodes(folder)]
        self._episodes = [(path, info) for path, info in found if info.usable]
        self.left_out = Counter(info.unusable for _, info in found if not info.usable)
        if not self._episodes:
            why = "".join(f"; {count} {what}" for what, count in self.left_out.most_common())
            raise EpisodeError(f"{folder} holds no complete episode that has not failed{why}")

    def __len__(self) -> int:
        return len(self._episodes)

    def __iter__(self) -> Iterator[Demonstration]:
        for path, info in self._episodes:
            yield Demonstration(path.name, read_steps(path, info, self._image_px))


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
