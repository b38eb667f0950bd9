"""A board that a person holds before a camera: which of its pictures are worth keeping."""

from __future__ import annotations

import numpy as np

from calibration.boards import Corners, Image
from calibration.taken_views import TakenViews

ENOUGH_VIEWS = 20
_STILL_S = 0.4
# Parts of the image's width; a hand is never quite still.
_STILL, _NEW = 0.003, 0.05
_FEWEST_CORNERS = 6


class HeldBoard:
    """Keeps a picture whenever the board is held still where it was not before.

    ``advice`` is what the person is to do now.
    """

    def __init__(self, taken: TakenViews, enough: int = ENOUGH_VIEWS) -> None:
        self.taken, self._enough = taken, enough
        self._began: tuple[float, Corners] | None = None
        self.advice = "show the board to the camera"

    @property
    def done(self) -> bool:
        """Whether there are enough views, and nothing is missing among them."""
        known = self.taken.guidance()
        return known["views"] >= self._enough and not known["missing"]

    def look(self, stamp_s: float, image: Image) -> bool:
        """One more picture (H, W), at its time [s]; whether it was kept."""
        corners = self.taken.board.find(image)
        if corners is None or len(corners.ids) < _FEWEST_CORNERS:
            self._began, self.advice = None, "the board is not seen"
            return False
        width = image.shape[1]
        if self._began is None or _moved_px(self._began[1], corners) > _STILL * width:
            self._began = stamp_s, corners
        if not self._is_new(corners, width):
            self.advice = "this view is kept: move the board, or tilt it"
            return False
        if stamp_s - self._began[0] < _STILL_S:
            self.advice = "hold the board still"
            return False
        self.taken.add(image, corners)
        return True

    def _is_new(self, corners: Corners, width: int) -> bool:
        kept = (view.corners for view in self.taken.views.found)
        return all(_moved_px(before, corners) > _NEW * width for before in kept)


def _moved_px(before: Corners, now: Corners) -> float:
    """RMS over the corners in both; infinite where they share too few to tell."""
    both, rows, now_rows = np.intersect1d(before.ids, now.ids, return_indices=True)
    if len(both) < _FEWEST_CORNERS:
        return np.inf
    off = now.pixels[now_rows] - before.pixels[rows]
    return float(np.sqrt(np.mean(np.sum(off**2, axis=1))))
