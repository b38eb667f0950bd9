"""Windows over episodes: some observation steps and the chunk of actions that begins with the last.

A window belongs to a step t: it sees steps t - To + 1 .. t and acts in t .. t + H - 1. Before an
episode's first step its first is repeated, after its last one the last, at most ``padding`` times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.training.array_data_set import ArrayDataSet

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """The windows of some episodes of a data set."""

    data_set: ArrayDataSet
    indices: Indices  # (W,) the window's index: the row of its newest observation
    first: Indices  # (W,) first step of its episode
    last: Indices  # (W,) last step of its episode

    @classmethod
    def over(cls, data_set: ArrayDataSet, episodes: Indices, horizon: int, padding: int) -> Windows:
        """All windows of those episodes; none of an episode shorter than horizon - padding."""
        indices, first, last = [], [], []
        for start, end in zip(data_set.starts[episodes], data_set.ends[episodes], strict=True):
            own = np.arange(start, end - horizon + padding + 1)
            indices.append(own)
            first.append(np.full(len(own), start))
            last.append(np.full(len(own), end - 1))
        empty = np.empty(0, dtype=np.int64)
        return cls(data_set, *(np.concatenate([empty, *part]) for part in (indices, first, last)))

    def __len__(self) -> int:
        return len(self.indices)

    def observed(self, windows: Indices, count: int) -> Indices:
        """(B, count) rows of the data set that these windows see, oldest first."""
        rows = self.indices[windows, None] + np.arange(1 - count, 1)
        return np.maximum(rows, self.first[windows, None])

    def acted(self, windows: Indices, horizon: int) -> Indices:
        """(B, horizon) rows whose actions make up the chunks of these windows."""
        rows = self.indices[windows, None] + np.arange(horizon)
        return np.minimum(rows, self.last[windows, None])


def split_episodes(count: int, validation: float, seed: int) -> tuple[Indices, Indices]:
    """Episodes to train on and to keep apart, at least one each if any shall be kept apart."""
    if validation == 0 or count < 2:
        return np.arange(count), np.empty(0, dtype=np.int64)
    kept = min(count - 1, max(1, round(validation * count)))
    order = np.random.default_rng([seed, count]).permutation(count)
    return np.sort(order[kept:]), np.sort(order[:kept])
