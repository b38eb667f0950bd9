"""Corners found where they are not: at a shadow's edge, beside what is in the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.boards import Corners
from calibration.views import View
from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array

# A corner so far off is no chance in a thousand calibrations.
_SPREADS = 6.0
# Median of a distance in the plane, of errors of 1 a coordinate.
_RAYLEIGH = 1.1774
_FEWEST_LEFT = 8
_MOST_OF_VIEW = 1 / 3


def without_stray_corners(views: Sequence[View], corners_m: Array, lens: Lens) -> list[View]:
    """The views without such corners; a view with too many of them is left as it is."""
    typical = np.concatenate([_errors(view, corners_m, lens) for view in views])
    limit = _SPREADS * float(np.median(typical)) / _RAYLEIGH
    return [_cleaned(view, corners_m, lens, limit) for view in views]


def _cleaned(view: View, corners_m: Array, lens: Lens, limit: float) -> View:
    """One after the other, the worst first: each draws its neighbours' errors after it."""
    ids, pixels = view.corners.ids, view.corners.pixels
    fewest = max(_FEWEST_LEFT, (1 - _MOST_OF_VIEW) * len(ids))
    left = view
    while True:
        errors = _errors(left, corners_m, lens)
        if errors.max() < limit:
            return left
        if len(ids) - 1 < fewest:
            return view
        kept = np.arange(len(ids)) != np.argmax(errors)
        ids, pixels = ids[kept], pixels[kept]
        left = View(view.name, Corners(ids, pixels))


def _errors(view: View, corners_m: Array, lens: Lens) -> Array:
    """(n,) distances [px] of the corners from where the pose that fits them best has them."""
    points = corners_m[view.corners.ids]
    pose = lens.locate(points, view.corners.pixels)
    expected = lens.project(points @ pose[:3, :3].T + pose[:3, 3])
    return np.asarray(np.linalg.norm(view.corners.pixels - expected, axis=1), dtype=float)
