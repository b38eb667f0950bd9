"""The demonstrated chunks that are nearest to the policy's, in the target set and in the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pushcell.analysis.analysed_sets import AnalysedSet
from pushcell.analysis.features import FeatureReader
from pushcell.training.windows import Indices

_ROWS = 16_384  # compared at once


@dataclass(frozen=True)
class NearestChunks:
    """For B chunks: the nearest ones among some data sets.

    ``distance`` (B,) is over the whole normalised chunk, ``which`` (B,) the data set's number,
    ``window`` (B,) the window's index among its windows.
    """

    distance: Tensor
    which: Indices
    window: Indices


def nearest_chunks(
    chunks: Tensor, sets: Sequence[AnalysedSet], reader: FeatureReader
) -> NearestChunks:
    """The nearest to normalised chunks (B, H, 2), among the sets' ``searched`` windows."""
    wanted, count = chunks.flatten(1), len(chunks)
    best = torch.full((count,), torch.inf)
    which, window = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for number, one in enumerate(sets):
        for first in range(0, len(one.searched), _ROWS):
            items = np.arange(first, min(first + _ROWS, len(one.searched)))
            demonstrated = reader.demonstrated(one.searched, items).flatten(1)
            distance, place = torch.cdist(wanted, demonstrated).min(1)
            nearer = (distance < best).numpy()
            best = torch.minimum(best, distance)
            which[nearer], window[nearer] = number, items[place.numpy()[nearer]]
    return NearestChunks(best, which, window)
