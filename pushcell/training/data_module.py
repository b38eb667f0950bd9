"""All that a run learns from: tables, windows, shares, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import TrainingError
from pushcell.training.array_dataset import Table, load_tables
from pushcell.training.batches import Batch, BatchMaker
from pushcell.training.config import TrainConfig
from pushcell.training.estimated_poses import tables_as_seen
from pushcell.training.mixture import Mixture, shares
from pushcell.training.windows import Windows, split_episodes

_VALIDATION_STREAM = 1


@dataclass(frozen=True)
class Material:
    """Training and validation windows of each data set, and how they are mixed."""

    config: TrainConfig
    train: list[Windows]
    validation: list[Windows]
    mixture: Mixture
    episodes: dict[str, int]  # of each data set, those trained on

    @classmethod
    def of(cls, config: TrainConfig) -> Material:
        """Read the data sets; raises EpisodeError or TrainingError naming what is wrong."""
        seen = config.observation
        if seen.slider_from is not None:
            tables = tables_as_seen(config.data, seen.slider_from, config.task)
            return cls.from_tables(config, tables)
        return cls.from_tables(config, load_tables(config.data, seen.vision))

    def real_frames(self, count: int) -> Batch:
        """So many windows, evenly from all data sets, with all images that there are."""
        whole = [len(windows) for windows in self.train]
        rows = np.linspace(0, sum(whole) - 1, min(count, sum(whole))).astype(np.int64)
        which = np.searchsorted(np.cumsum(whole), rows, side="right")
        firsts = np.cumsum([0, *whole[:-1]])
        chosen = [rows[which == k] - firsts[k] for k in range(len(whole))]
        cameras = sorted(self.train[0].table.images)
        steps, action = self.config.observation.steps, self.config.action
        return BatchMaker(self.train, steps, action, cameras).gather(chosen)

    @classmethod
    def from_tables(cls, config: TrainConfig, tables: Sequence[Table]) -> Material:
        """Of data sets that have been read."""
        horizon, padding = config.action.horizon, config.action.padding
        train, validation, episodes = [], [], {}
        for table in tables:
            chosen, kept = split_episodes(len(table.ends), config.data.validation, config.seed)
            train.append(Windows.over(table, chosen, horizon, padding))
            validation.append(Windows.over(table, kept, horizon, padding))
            episodes[table.name] = len(chosen)
        parts = shares(config.data, tables)
        for table, windows, share in zip(tables, train, parts, strict=True):
            needed = share > 0 or table.name == config.data.normaliser
            if needed and len(windows) == 0:
                raise TrainingError(
                    f"data set {table.name!r} gives no window: none of its episodes has "
                    f"{horizon - padding} steps, action.horizon {horizon} less padding {padding}"
                )
        sizes = tuple(map(len, train))
        mixture = Mixture(sizes, parts, config.training.batch_size, config.seed)
        return cls(config, train, validation, mixture, episodes)

    def batch(self, number: int, rank: int = 0, world: int = 1) -> Batch:
        """A process's part of a batch."""
        chosen = self.mixture.batch(number)
        which = np.concatenate([np.full(len(items), k) for k, items in enumerate(chosen)])
        items = np.concatenate(chosen)
        which, items = which[rank::world], items[rank::world]
        parts = [items[which == k] for k in range(len(chosen))]
        return _maker(self.train, self.config).gather(parts)

    def validation_batches(self, size: int) -> list[Batch]:
        """The same windows every time, in the shares of training; none if none are kept apart."""
        if not any(len(windows) for windows in self.validation):
            return []
        wanted = self.config.log.validation_windows
        rng = np.random.default_rng([self.config.seed, _VALIDATION_STREAM])
        chosen = []
        for windows, share in zip(self.validation, self.mixture.shares, strict=True):
            count = min(len(windows), round(wanted * share))
            chosen.append(rng.permutation(len(windows))[:count])
        maker, count = _maker(self.validation, self.config), -(-wanted // size)
        parts: list[list[NDArray[np.int64]]] = [
            [items[number::count] for items in chosen] for number in range(count)
        ]
        return [maker.gather(part) for part in parts if any(map(len, part))]

    def normaliser_windows(self) -> Batch:
        """All training windows of the data set that ranges are fitted on, without images."""
        name = self.config.data.normaliser
        (windows,) = (part for part in self.train if part.table.name == name)
        maker = BatchMaker([windows], self.config.observation.steps, self.config.action)
        return maker.gather([np.arange(len(windows))])


def _maker(windows: Sequence[Windows], config: TrainConfig) -> BatchMaker:
    seen = config.observation
    cameras = seen.vision.cameras if seen.vision else ()
    return BatchMaker(windows, seen.steps, config.action, cameras)
