"""The statistics that LeRobot normalises by: of one episode, and added up over all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VectorStatistics:
    """Of rows (T, n), component by component."""

    count: int
    least: Array
    most: Array
    total: Array
    squares: Array

    @classmethod
    def of(cls, rows: NDArray[Any]) -> VectorStatistics:
        """Of the rows of one episode."""
        rows = rows.astype(np.float64)
        squares = (rows * rows).sum(axis=0)
        return cls(len(rows), rows.min(axis=0), rows.max(axis=0), rows.sum(axis=0), squares)

    def __add__(self, other: VectorStatistics) -> VectorStatistics:
        return VectorStatistics(
            self.count + other.count,
            np.minimum(self.least, other.least),
            np.maximum(self.most, other.most),
            self.total + other.total,
            self.squares + other.squares,
        )

    def as_dict(self) -> dict[str, list[Any]]:
        """Plain values, by LeRobot's names."""
        mean = self.total / self.count
        variance = np.maximum(self.squares / self.count - mean * mean, 0)
        return {
            "min": self.least.tolist(),
            "max": self.most.tolist(),
            "mean": mean.tolist(),
            "std": np.sqrt(variance).tolist(),
            "count": [self.count],
        }


@dataclass(frozen=True)
class ImageStatistics:
    """Of images (T, H, W, 3), colour by colour, as fractions of full brightness."""

    frames: int
    histogram: NDArray[np.int64]  # (3, 256)

    @classmethod
    def of(cls, images: NDArray[np.uint8]) -> ImageStatistics:
        """Of the images of one camera in one episode."""
        counts = [np.bincount(images[..., colour].ravel(), minlength=256) for colour in range(3)]
        return cls(len(images), np.stack(counts))

    def __add__(self, other: ImageStatistics) -> ImageStatistics:
        return ImageStatistics(self.frames + other.frames, self.histogram + other.histogram)

    def as_dict(self) -> dict[str, list[Any]]:
        """Plain values, by LeRobot's names; each of shape (3, 1, 1)."""
        values = np.arange(256) / 255
        share = self.histogram / self.histogram.sum(axis=1, keepdims=True)
        mean = share @ values
        std = np.sqrt(np.maximum(share @ values**2 - mean**2, 0))
        least = np.array([values[np.flatnonzero(row)[0]] for row in self.histogram])
        most = np.array([values[np.flatnonzero(row)[-1]] for row in self.histogram])
        named = {"min": least, "max": most, "mean": mean, "std": std}
        shaped = {name: value.reshape(3, 1, 1).tolist() for name, value in named.items()}
        return {**shaped, "count": [self.frames]}
