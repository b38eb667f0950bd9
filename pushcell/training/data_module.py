"""Everything that a run learns from: data sets, windows, shares, batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import TrainingError
from pushcell.training.array_data_set import ArrayDataSet, load_data_sets
from pushcell.training.batches import Batch, BatchBuilder
from pushcell.training.config import TrainConfig
from pushcell.training.estimated_poses import (
    TrainedPoseEstimator,
    data_sets_with_estimated_poses,
)
from pushcell.training.mixture import Mixture, shares
from pushcell.training.windows import Windows, split_episodes

_VALIDATION_STREAM = 1


@dataclass(frozen=True)
class DataModule:
    """Training and validation windows of each data set, and how they are mixed."""

    config: TrainConfig
    train: list[Windows]
    validation: list[Windows]
    mixture: Mixture
    episodes: dict[str, int]  # of each data set, those trained on

    @classmethod
    def of(cls, config: TrainConfig) -> DataModule:
        """Read the data sets; raises EpisodeError or TrainingError naming what is wrong."""
        seen = config.observation
        if seen.pose_from is not None:
            data_sets = data_sets_with_estimated_poses(config.data, seen.pose_from, config.task)
            return cls.from_data_sets(config, data_sets)
        return cls.from_data_sets(config, load_data_sets(config.data, seen.vision))

    @classmethod
    def shown_to(cls, pose_estimator: TrainedPoseEstimator, config: TrainConfig) -> DataModule:
        """Windows of the pose estimator's data sets, with the configuration of the policy."""
        data = pose_estimator.config.data
        # Nothing is learned here: gaps between labelled steps do not matter to a comparison.
        sets = tuple(item.changed(slider="recorded") for item in data.sets)
        data_sets = load_data_sets(data, pose_estimator.vision)
        return cls.from_data_sets(config.changed(data=data.changed(sets=sets)), data_sets)

    def real_frames(self, count: int, steps: int) -> Batch:
        """So many windows of ``steps`` observations, evenly from all data sets, with all images."""
        whole = [len(windows) for windows in self.train]
        rows = np.linspace(0, sum(whole) - 1, min(count, sum(whole))).astype(np.int64)
        which = np.searchsorted(np.cumsum(whole), rows, side="right")
        firsts = np.cumsum([0, *whole[:-1]])
        chosen = [rows[which == k] - firsts[k] for k in range(len(whole))]
        cameras = sorted(self.train[0].data_set.images)
        return BatchBuilder(self.train, steps, self.config.action, cameras).gather(chosen)

    @classmethod
    def from_data_sets(cls, config: TrainConfig, data_sets: Sequence[ArrayDataSet]) -> DataModule:
        """Of data sets that have been read."""
        horizon, padding = config.action.horizon, config.action.padding
        train, validation, episodes = [], [], {}
        for data_set in data_sets:
            chosen, kept = split_episodes(len(data_set.ends), config.data.validation, config.seed)
            train.append(Windows.over(data_set, chosen, horizon, padding))
            validation.append(Windows.over(data_set, kept, horizon, padding))
            episodes[data_set.name] = len(chosen)
        parts = shares(config.data, data_sets)
        for data_set, windows, share in zip(data_sets, train, parts, strict=True):
            needed = share > 0 or data_set.name == config.data.normaliser
            if needed and len(windows) == 0:
                raise TrainingError(
                    f"data set {data_set.name!r} gives no window: none of its episodes has "
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
        return _batch_builder(self.train, self.config).gather(parts)

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
        batch_builder, count = _batch_builder(self.validation, self.config), -(-wanted // size)
        parts: list[list[NDArray[np.int64]]] = [
            [items[number::count] for items in chosen] for number in range(count)
        ]
        return [batch_builder.gather(part) for part in parts if any(map(len, part))]

    def validation_batches_of_each(self, size: int) -> Iterator[tuple[str, Batch]]:
        """Data set and batch, the same windows every time; none of a set that is the only one."""
        rng = np.random.default_rng([self.config.seed, _VALIDATION_STREAM])
        for windows in self.validation if len(self.validation) > 1 else ():
            chosen = rng.permutation(len(windows))[: self.config.log.validation_windows]
            batch_builder = _batch_builder([windows], self.config)
            for first in range(0, len(chosen), size):
                yield windows.data_set.name, batch_builder.gather([chosen[first : first + size]])

    def normaliser_windows(self) -> Batch:
        """All training windows of the data set that ranges are fitted on, without images."""
        name = self.config.data.normaliser
        (windows,) = (part for part in self.train if part.data_set.name == name)
        batch_builder = BatchBuilder([windows], self.config.observation.steps, self.config.action)
        return batch_builder.gather([np.arange(len(windows))])


def _batch_builder(windows: Sequence[Windows], config: TrainConfig) -> BatchBuilder:
    seen = config.observation
    cameras = seen.vision.cameras if seen.vision else ()
    target = config.domains.target if config.domains else None
    return BatchBuilder(windows, seen.steps, config.action, cameras, target)
