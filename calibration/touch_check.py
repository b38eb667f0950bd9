"""Marks on the table to be touched with the pusher's tip: corners of a board that lies on it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calibration.boards import Board, Image
from calibration.hand_eye_data import Indices
from calibration.result_files import finish
from calibration.table_command import CalibrateTable, outcome
from pushcell.errors import CalibrationError
from pushcell.geometry import Array

MARKS = 6
_FEWEST_SEEN = 4


@dataclass
class Touching:
    """Some corners of a board, far apart; ``ids`` (n,) in the order in which to touch them.

    ``pixels`` (n, 2) is where the camera saw them, ``touched`` (x, y, z) [m] where the tip was.
    """

    ids: Indices
    pixels: Array
    touched: list[Array] = field(default_factory=list)

    @classmethod
    def of(cls, image: Image, board: Board) -> Touching:
        """From a picture with nothing in the way; raises CalibrationError where it shows few."""
        seen = board.find(image)
        if seen is None or len(seen.ids) < _FEWEST_SEEN:
            raise CalibrationError(
                "the board with the marks is not seen: lay it flat on the table, in the camera's "
                "view, and keep the arm out of the way"
            )
        rows = _far_apart(board.corners_m[seen.ids], MARKS)
        return cls(seen.ids[rows], seen.pixels[rows])

    @property
    def next(self) -> str | None:
        """Which mark to touch, in words; None when all were."""
        index = len(self.touched)
        if index == len(self.ids):
            return None
        u, v = self.pixels[index]
        return (
            f"touch mark {index + 1} of {len(self.ids)}: corner {self.ids[index]} of the board, "
            f"seen at pixel {u:.0f}, {v:.0f}"
        )

    def touch(self, tip: Array) -> None:
        """The tip (3,) [m] of the base is on the next mark."""
        self.touched.append(np.asarray(tip, dtype=float))

    def finish(
        self, out: Path, intrinsics: Path | None, hand_eye: Path | None, marks_height_m: float
    ) -> int:
        """Save the marks and what `pushcell calibrate table` comes to; gives the exit code."""
        self.save(out / "touched.json")
        asked = CalibrateTable(
            touched=out / "touched.json",
            out=out,
            intrinsics=intrinsics,
            hand_eye=hand_eye,
            marks_height=marks_height_m,
        )
        return finish(outcome(asked), out, False, None)

    def save(self, path: Path) -> None:
        """As `pushcell calibrate table` reads it."""
        pairs = zip(self.touched, self.pixels, strict=True)
        points = [{"xyz_m": tip.tolist(), "pixel": pixel.tolist()} for tip, pixel in pairs]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(points, indent=1) + "\n", encoding="utf-8")


def _far_apart(places: Array, count: int) -> Indices:
    """Rows of places (n, 3), each as far as can be from those before it."""
    middle = places.mean(axis=0)
    chosen = [int(np.argmax(np.linalg.norm(places - middle, axis=1)))]
    while len(chosen) < min(count, len(places)):
        off = np.linalg.norm(places[:, None] - places[chosen], axis=2).min(axis=1)
        chosen.append(int(np.argmax(off)))
    return np.array(chosen)
