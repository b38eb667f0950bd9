"""Batches from several data sets in given shares.

What a batch holds depends on the seed and the batch's number alone, so that a run which goes on
after a kill sees what it would have seen.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.training.array_data_set import ArrayDataSet
from pushcell.training.config import DataConfig, FixedMixture, NaturalMixture

Indices = NDArray[np.int64]


def shares(data: DataConfig, data_sets: Sequence[ArrayDataSet]) -> NDArray[np.float64]:
    """(K,) the share of each data set; they add up to 1."""
    episodes = np.array([len(data_set.ends) for data_set in data_sets], dtype=float)
    names = [data_set.name for data_set in data_sets]
    mixture = data.mixture
    if isinstance(mixture, FixedMixture):
        target = np.array([name == mixture.target for name in names])
        if len(names) == 1:
            return np.ones(1)
        others = np.where(target, 0.0, episodes)
        return np.where(target, mixture.alpha, (1 - mixture.alpha) * others / others.sum())
    if isinstance(mixture, NaturalMixture):
        return episodes / episodes.sum()
    weights = np.array([item.weight or 0.0 for item in data.sets])
    return weights / weights.sum()


@dataclass(frozen=True)
class Mixture:
    """Draws of K data sets; each gives its items in a new order every time round."""

    sizes: tuple[int, ...]  # items of each data set
    shares: NDArray[np.float64]
    batch_size: int
    seed: int

    def drawn(self, batches: int) -> Indices:
        """(K,) how many items of each set the first so many batches hold.

        Never more than K / 2 items off the exact shares, however long the run; never falls.
        """
        left, share_left = batches * self.batch_size, 1.0
        counts = np.zeros(len(self.sizes), dtype=np.int64)
        for which, share in enumerate(self.shares[:-1]):
            part = min(1.0, share / share_left) if share_left > 0 else 0.0
            counts[which] = int(np.floor(part * left + 0.5))
            left, share_left = left - int(counts[which]), share_left - share
        counts[-1] = left
        return counts

    def batch(self, number: int) -> list[Indices]:
        """Items of each data set in that batch, batch_size altogether."""
        before, after = self.drawn(number), self.drawn(number + 1)
        return [
            self._items(which, int(before[which]), int(after[which]))
            for which in range(len(self.sizes))
        ]

    def _items(self, which: int, start: int, end: int) -> Indices:
        size = self.sizes[which]
        places = np.arange(start, end)
        items = np.empty(len(places), dtype=np.int64)
        for epoch in np.unique(places // size) if len(places) else ():
            here = places // size == epoch
            items[here] = _order(self.seed, which, int(epoch), size)[places[here] % size]
        return items


@functools.lru_cache(maxsize=32)
def _order(seed: int, which: int, epoch: int, size: int) -> Indices:
    return np.random.default_rng([seed, which, epoch]).permutation(size)
