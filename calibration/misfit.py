"""Whether residuals are noise: what is smooth across a view no noise of its corners can explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.views import View
from pushcell.geometry import Array

_TERMS = 6  # of a polynomial of the second degree in the plane
_MOST = 1.3  # times the noise


@dataclass(frozen=True)
class Misfit:
    """``noise_px`` is that of the corners themselves, ``systematic_px`` what is left besides.

    Both are of one coordinate. A lens that is wider than its model leaves such a pattern.
    """

    noise_px: float
    systematic_px: float

    @classmethod
    def of(cls, views: Sequence[View], errors_px: Sequence[Array]) -> Misfit:
        """Of what is left at the corners of some views, [(m, 2)] px each."""
        square, freedom, rough_sum = 0.0, 0, 0.0
        for view, errors in zip(views, errors_px, strict=True):
            count = 2 * (len(errors) - _TERMS)
            if count > 0:
                rough_sum += float(np.sum(_without_smooth(view.corners.pixels, errors) ** 2))
                square += float(np.mean(errors**2)) * count
                freedom += count
        if not freedom:
            return cls(0.0, 0.0)
        noise = rough_sum / freedom
        return cls(float(np.sqrt(noise)), float(np.sqrt(max(0.0, square / freedom - noise))))

    @property
    def certain(self) -> bool:
        """Whether the residuals are clearly more than noise."""
        return np.hypot(self.noise_px, self.systematic_px) > _MOST * self.noise_px


def _without_smooth(pixels: Array, errors: Array) -> Array:
    """(n, 2) what a smooth function of the place does not explain."""
    x, y = ((pixels - pixels.mean(axis=0)) / max(float(np.ptp(pixels)), 1.0)).T
    basis = np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    return errors - basis @ np.linalg.lstsq(basis, errors, rcond=None)[0]
