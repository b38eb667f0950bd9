"""Has a camera, or what it looks at, moved since it was calibrated?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.boards import Corners, Image, parse_board
from pushcell import se3
from pushcell.cameras.calibration_files import read_json
from pushcell.cameras.camera_model import Lens
from pushcell.errors import CalibrationError

_FEWEST_CORNERS = 6


@dataclass(frozen=True)
class DriftReference:
    """A board that stays where it is, as a camera saw it when all was calibrated."""

    board: str
    size: tuple[int, int]
    corners: Corners

    @classmethod
    def take(cls, image: Image, board: str) -> DriftReference:
        """From an image (H, W) or (H, W, 3); raises CalibrationError where it shows no board."""
        found = parse_board(board).find(image)
        if found is None:
            raise CalibrationError(
                f"the board {board} is not seen: put it back into the camera's view, or take a new "
                "reference"
            )
        return cls(board, (image.shape[1], image.shape[0]), found)

    @classmethod
    def read(cls, path: Path) -> DriftReference:
        """Read a reference from its JSON file; raises CalibrationError for an invalid one."""
        values = read_json(path)
        try:
            corners = Corners(
                np.array(values["ids"], dtype=np.int64), np.array(values["pixels"], dtype=float)
            )
            width, height = values["size"]
            return cls(str(values["board"]), (int(width), int(height)), corners)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise CalibrationError(
                f"{path} is no reference: take one with `pushcell calibrate drift --take`"
            ) from None

    def text(self) -> str:
        """The content of the JSON file that `read` reads."""
        values = {
            "board": self.board,
            "size": list(self.size),
            "ids": self.corners.ids.tolist(),
            "pixels": self.corners.pixels.tolist(),
        }
        return json.dumps(values) + "\n"


@dataclass(frozen=True)
class Drift:
    """How far the board's image moved [px, RMS], and what motion of the camera that is."""

    moved_px: float
    moved_m: float
    turned_rad: float

    def __str__(self) -> str:
        return (
            f"{self.moved_px:.2f} px, as if the camera had moved by {1e3 * self.moved_m:.1f} mm "
            f"and {np.degrees(self.turned_rad):.2f} deg"
        )


def measure_drift(reference: DriftReference, image: Image, lens: Lens) -> Drift:
    """Look again; raises CalibrationError where the board is not seen as it was."""
    size = image.shape[1], image.shape[0]
    if size != reference.size:
        raise CalibrationError(
            f"the reference is of {reference.size[0]}x{reference.size[1]}, the image is {size[0]}x"
            f"{size[1]}: take a new reference at this size"
        )
    now = DriftReference.take(image, reference.board).corners
    both, before_rows, now_rows = np.intersect1d(
        reference.corners.ids, now.ids, return_indices=True
    )
    if len(both) < _FEWEST_CORNERS:
        raise CalibrationError(
            f"only {len(both)} corners of the reference are seen again: clear the view of the board"
        )
    before, after = reference.corners.pixels[before_rows], now.pixels[now_rows]
    points = parse_board(reference.board).corners_m[both]
    was, is_now = lens.locate(points, before), lens.locate(points, after)
    moved_m, turned_rad = se3.errors(is_now @ se3.inverse(was), np.eye(4))
    moved_px = np.sqrt(np.mean(np.sum((after - before) ** 2, axis=1)))
    return Drift(float(moved_px), float(moved_m), float(turned_rad))
