"""Calibration boards: what they look like, and finding them in images.

A board's frame lies in its plane, origin at the upper left corner of its outline as printed,
x to the right, y down, z away from who looks at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.errors import CalibrationError
from pushcell.geometry import Array

Image = NDArray[np.uint8]

_LARGEST_SQUARE_M = 0.5
_FORMATS = (
    "charuco:7x5:0.030:0.021:DICT_4X4_50 (squares, square and marker in metres, dictionary; then "
    "legacy for the pattern of before OpenCV 4.6, and the first marker's id where it is not 0, as "
    "in :legacy:17) or chessboard:9x7:0.020 (inner corners, square in metres)"
)
DICTIONARIES = sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_"))


@dataclass(frozen=True)
class Corners:
    """Corners of a board found in one image: ids (n,) and where they are (n, 2) [px]."""

    ids: NDArray[np.int64]
    pixels: Array


class Board(Protocol):
    """A flat calibration board."""

    @property
    def corners_m(self) -> Array:
        """(N, 3) the corners in the board's frame; a corner's id is its row [m]."""

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the outline [m]."""

    @property
    def half_turn(self) -> Array | None:
        """(4, 4) the turn after which the board looks the same, or None."""

    def find(self, image: Image) -> Corners | None:
        """The corners in an image (H, W) or RGB (H, W, 3); None where the board is not seen."""

    def draw(self, px_per_m: float) -> Image:
        """The board as printed, (H, W)."""

    def adapted(self, images: list[Image]) -> Board:
        """A variant of this board that is found in images where this one is not, or itself."""

    @property
    def text(self) -> str:
        """The description of the board, as `parse_board` reads it."""

    def explain(self, images: list[Image]) -> str:
        """Why the board is not found in these images, and what to do."""


@dataclass(frozen=True)
class CharucoBoard:
    """A chessboard with markers in its white squares; ``columns`` x ``rows`` squares.

    ``legacy`` is the pattern of OpenCV before 4.6, which differs for an even number of rows;
    ``first_id`` is its first marker's.
    """

    columns: int
    rows: int
    square_m: float
    marker_m: float
    dictionary: str
    legacy: bool = False
    first_id: int = 0

    @cached_property
    def _board(self) -> cv2.aruco.CharucoBoard:
        words = _dictionary(self.dictionary)
        size, ids = (self.columns, self.rows), self.first_id + np.arange(self.markers)
        board = cv2.aruco.CharucoBoard(size, self.square_m, self.marker_m, words, ids)
        board.setLegacyPattern(self.legacy)
        return board

    @cached_property
    def _detector(self) -> cv2.aruco.CharucoDetector:
        return cv2.aruco.CharucoDetector(self._board)

    @cached_property
    def corners_m(self) -> Array:
        """(N, 3) the inner corners."""
        return np.asarray(self._board.getChessboardCorners(), dtype=float)

    @property
    def markers(self) -> int:
        """Number of markers on the board."""
        return self.columns * self.rows // 2

    @property
    def text(self) -> str:
        """See `Board.text`."""
        sizes = f"{self.columns}x{self.rows}:{self.square_m:g}:{self.marker_m:g}"
        rest = (":legacy" if self.legacy else "") + (f":{self.first_id}" if self.first_id else "")
        return f"charuco:{sizes}:{self.dictionary}{rest}"

    @property
    def marker_cells(self) -> int:
        """The cells of a marker's side, with its black border."""
        return int(_dictionary(self.dictionary).markerSize) + 2

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the outline."""
        return self.columns * self.square_m, self.rows * self.square_m

    @property
    def half_turn(self) -> None:
        """Its markers tell every way round from any other."""
        return None

    def find(self, image: Image) -> Corners | None:
        """All corners beside a marker that is seen; see `Board.find`."""
        pixels, ids, markers, marker_ids = self._detector.detectBoard(grey(image))
        if ids is None or len(ids) < 4 or self._misfit(markers, marker_ids) > 0.2:
            return None
        return Corners(ids.ravel().astype(np.int64), pixels.reshape(-1, 2).astype(float))

    def draw(self, px_per_m: float) -> Image:
        """The printed board as a grey image (H, W) of ``px_per_m`` pixels per metre."""
        width, height = self.size_m
        size = round(width * px_per_m), round(height * px_per_m)
        return self._board.generateImage(size)

    def adapted(self, images: list[Image]) -> CharucoBoard:
        """See `Board.adapted`: of the other pattern, or with the ids that are seen."""
        firsts = dict.fromkeys((self.first_id, self._first_id_in(images)))
        variants = [
            replace(self, legacy=legacy, first_id=first)
            for first in firsts
            for legacy in (self.legacy, not self.legacy)
        ]
        return max(variants, key=lambda board: sum(board.find(i) is not None for i in images))

    def explain(self, images: list[Image]) -> str:
        """See `Board.explain`."""
        if any(self.find(cv2.flip(grey(image), 1)) for image in images):
            return "the images are mirrored: switch the camera's mirroring off and take new ones"
        seen = {name: _count_markers(images, name) for name in self._other_dictionaries()}
        best = max(seen, key=lambda name: seen[name])
        here = _count_markers(images, self.dictionary)
        if seen[best] > max(2 * here, 4 * len(images)):
            return f"its markers are of {best}, not {self.dictionary}: give the right dictionary"
        if here >= 4 * len(images):
            return (
                f"markers of {self.dictionary} are seen, but not where a board of {self.columns}x"
                f"{self.rows} squares has them, of the legacy pattern or not: count its squares "
                "again"
            )
        return "no markers are seen: is it the right board, sharp, bright and whole in the picture?"

    def _misfit(self, markers: tuple[Array, ...], ids: Array | None) -> float:
        """How far the markers are from where this board has them; 1 is a marker's side."""
        if ids is None or len(ids) < 2:
            return 0.0
        places = ids.ravel() - self.first_id
        if places.min() < 0 or places.max() >= self.markers:
            return np.inf
        board = np.concatenate([self._board.getObjPoints()[i] for i in places])[:, :2]
        seen = np.concatenate([marker.reshape(4, 2) for marker in markers])
        homography, _ = cv2.findHomography(board, seen, cv2.LMEDS)
        if homography is None:
            return np.inf
        off = cv2.perspectiveTransform(board[None].astype(float), homography)[0] - seen
        side = np.median([cv2.arcLength(marker, True) / 4 for marker in markers])
        # The most of them: one that was misread must not cost the image.
        return float(np.quantile(np.linalg.norm(off, axis=1), 0.8) / side)

    def _first_id_in(self, images: list[Image]) -> int:
        """The first id seen of the run of ids, as long as this board's, that has most markers."""
        words = _dictionary(self.dictionary)
        detector, counts = cv2.aruco.ArucoDetector(words), np.zeros(len(words.bytesList))
        for image in images:
            ids = detector.detectMarkers(grey(image))[1]
            if ids is not None:
                counts[ids.ravel()] += 1
        runs = np.convolve(counts, np.ones(self.markers))[self.markers - 1 :]
        first = int(np.where(counts > 0, runs, -1).argmax())
        return min(first, len(counts) - self.markers)

    def _other_dictionaries(self) -> list[str]:
        return [name for name in DICTIONARIES if name != self.dictionary]


@dataclass(frozen=True)
class Chessboard:
    """A plain chessboard of ``columns`` x ``rows`` inner corners."""

    columns: int
    rows: int
    square_m: float

    @cached_property
    def corners_m(self) -> Array:
        """(N, 3) the inner corners, row by row."""
        y, x = np.mgrid[1 : self.rows + 1, 1 : self.columns + 1]
        return self.square_m * np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the outline, without its white border."""
        return (self.columns + 1) * self.square_m, (self.rows + 1) * self.square_m

    @property
    def half_turn(self) -> Array | None:
        """Half a turn about its middle, where that swaps no colours; None otherwise."""
        if (self.columns + self.rows) % 2:
            return None
        turn = np.diag([-1.0, -1.0, 1.0, 1.0])
        turn[:2, 3] = self.size_m
        return turn

    def find(self, image: Image) -> Corners | None:
        """All corners or none; see `Board.find`."""
        found = _find_chessboard(grey(image), self.columns, self.rows)
        if found is None:
            return None
        size, pixels = found
        if size != (self.columns, self.rows):
            return None
        return Corners(np.arange(len(pixels)), pixels)

    def draw(self, px_per_m: float) -> Image:
        """The board as printed; its upper left is light, where OpenCV begins to count."""
        side = round(self.square_m * px_per_m)
        y, x = np.mgrid[: self.rows + 1, : self.columns + 1]
        squares = np.where((x + y) % 2, 0, 255).astype(np.uint8)
        return np.kron(squares, np.ones((side, side), np.uint8))

    def adapted(self, images: list[Image]) -> Chessboard:
        """See `Board.adapted`: it has no variants."""
        return self

    @property
    def text(self) -> str:
        """See `Board.text`."""
        return f"chessboard:{self.columns}x{self.rows}:{self.square_m:g}"

    def explain(self, images: list[Image]) -> str:
        """See `Board.explain`."""
        for image in images:
            found = _find_chessboard(grey(image), 3, 3)
            if found is not None and sorted(found[0]) != sorted((self.columns, self.rows)):
                rows, columns = sorted(found[0])
                return (
                    f"a board of {columns}x{rows} inner corners is seen, not of {self.columns}x"
                    f"{self.rows}: count the corners between its squares again"
                )
        return "no chessboard is seen: is it sharp, bright and, with its border, in the picture?"


def parse_board(text: str) -> CharucoBoard | Chessboard:
    """A board from its description; raises CalibrationError that tells the format."""
    number = r"(\d*\.?\d+)"
    charuco = re.fullmatch(rf"charuco:(\d+)x(\d+):{number}:{number}:(\w+)(:legacy)?(:\d+)?", text)
    chess = re.fullmatch(rf"chessboard:(\d+)x(\d+):{number}", text)
    match = charuco or chess
    if match is None:
        raise CalibrationError(f"the board {text!r} is not understood: write {_FORMATS}")
    columns, rows, square = int(match[1]), int(match[2]), float(match[3])
    if min(columns, rows) < 3 or not square > 0:
        raise CalibrationError(f"the board {text!r} is too small: it needs 3x3 at least")
    if square > _LARGEST_SQUARE_M:
        raise CalibrationError(
            f"the board {text!r} has squares of {square:g} m: lengths are in metres, so "
            f"{square:g} mm are {square / 1e3:g}"
        )
    if charuco is None:
        return Chessboard(columns, rows, square)
    marker, dictionary = float(charuco[4]), charuco[5]
    if not 0 < marker < square:
        raise CalibrationError(
            f"the board {text!r} has markers of {marker:g} m in squares of {square:g} m: "
            "markers are smaller than squares"
        )
    size = len(_dictionary(dictionary).bytesList)
    legacy, first = charuco[6] is not None, int((charuco[7] or ":0")[1:])
    board = CharucoBoard(columns, rows, square, marker, dictionary, legacy, first)
    if size < first + board.markers:
        after = f" from id {first} on" if first else ""
        raise CalibrationError(
            f"{dictionary} has {size} markers, a board of {columns}x{rows} squares needs "
            f"{board.markers}{after}: is its size or its dictionary another one?"
        )
    return board


def grey(image: Image) -> Image:
    """(H, W) of a grey or RGB image."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _dictionary(name: str) -> cv2.aruco.Dictionary:
    if name not in DICTIONARIES:
        raise CalibrationError(f"there is no dictionary {name!r}; known: {', '.join(DICTIONARIES)}")
    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))


def _count_markers(images: list[Image], dictionary: str) -> int:
    detector = cv2.aruco.ArucoDetector(_dictionary(dictionary))
    return sum(len(detector.detectMarkers(grey(image))[0]) for image in images)


def _find_chessboard(image: Image, columns: int, rows: int) -> tuple[tuple[int, int], Array] | None:
    """The chessboard of at least so many inner corners: its size, and its corners row by row."""
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY | cv2.CALIB_CB_LARGER
    found, pixels, meta = cv2.findChessboardCornersSBWithMeta(image, (columns, rows), flags)
    if not found:
        return None
    return (meta.shape[1], meta.shape[0]), pixels.reshape(-1, 2).astype(float)
