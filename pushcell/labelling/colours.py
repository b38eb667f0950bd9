"""Which colours are the slider's: learned from pixels whose place is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

_BITS = 5  # of each channel
_BINS = 1 << _BITS
COLOURS = _BINS**3
_UNSEEN = 3e-4  # share of pixels of a colour below which it says little


@dataclass(frozen=True)
class ColourCounts:
    """How many pixels of each colour are the slider's, and how many are not."""

    slider: Image  # (32, 32, 32)
    others: Image

    @classmethod
    def none(cls) -> ColourCounts:
        """Of no pixels."""
        empty = np.zeros((_BINS,) * 3, np.float32)
        return cls(empty, empty)

    @classmethod
    def of(cls, slider: NDArray[np.uint8], others: NDArray[np.uint8]) -> ColourCounts:
        """Of pixels (N, 3) and (M, 3), RGB."""
        return cls(_histogram(slider), _histogram(others))

    def __add__(self, more: ColourCounts) -> ColourCounts:
        return ColourCounts(self.slider + more.slider, self.others + more.others)

    def __mul__(self, factor: float) -> ColourCounts:
        return ColourCounts(self.slider * factor, self.others * factor)

    @property
    def count(self) -> float:
        """Of the slider's pixels."""
        return float(self.slider.sum())


@dataclass(frozen=True)
class ColourModel:
    """How likely a colour is the slider's, 0 to 1; one half for colours that were not seen."""

    share: Image  # (32768,)

    @classmethod
    def learned(cls, counts: ColourCounts) -> ColourModel:
        """From pixels of both kinds."""
        slider, others = (_smooth(_shares(part)) for part in (counts.slider, counts.others))
        return cls(((slider + _UNSEEN) / (slider + others + 2 * _UNSEEN)).ravel())

    def __call__(self, image: NDArray[np.uint8]) -> Image:
        """(H, W) of a picture (H, W, 3)."""
        return self.share[_index(image)]

    def separates(self, counts: ColourCounts) -> float:
        """The share of pixels, of either kind alike, that it tells rightly."""
        is_slider = (self.share > 0.5).reshape(counts.slider.shape)
        right = counts.slider[is_slider].sum() / counts.slider.sum()
        return float(right + counts.others[~is_slider].sum() / counts.others.sum()) / 2


def _index(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    r, g, b = np.moveaxis(pixels >> (8 - _BITS), -1, 0).astype(np.int64)
    return (r << 2 * _BITS) | (g << _BITS) | b


def _histogram(pixels: NDArray[np.uint8]) -> Image:
    counts = np.bincount(_index(pixels), minlength=COLOURS)
    return counts.reshape((_BINS,) * 3).astype(np.float32)


def _shares(counts: Image) -> Image:
    return counts / max(float(counts.sum()), 1.0)


def _smooth(shares: Image) -> Image:
    """Some of each bin's share goes to its neighbours: light is never twice the same."""
    for axis in range(3):
        padded = np.pad(shares, [(1, 1) if k == axis else (0, 0) for k in range(3)], "edge")
        before, after = (np.take(padded, range(k, k + _BINS), axis) for k in (0, 2))
        shares = 0.25 * before + 0.5 * shares + 0.25 * after
    return shares
