"""What a calibration starts from: a board's corners in the images of one camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from calibration.boards import Board, Corners, Image
from pushcell.errors import CalibrationError

_TRIED = 8  # images, to find out why a board is in none
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class View:
    """One image in which the board was found."""

    name: str
    corners: Corners


@dataclass(frozen=True)
class Views:
    """Images of one size (width, height); ``without`` are the names of those without the board."""

    board: Board
    size: tuple[int, int]
    found: tuple[View, ...]
    without: tuple[str, ...]

    def named(self, names: Sequence[str]) -> Views:
        """Only the views of these names."""
        return Views(
            self.board, self.size, tuple(v for v in self.found if v.name in names), self.without
        )


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The files, folders replaced by their images in order of name."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not inside:
                raise CalibrationError(f"the folder {path} has no images: give one that has")
            files += inside
        else:
            files.append(path)
    return files


def read_image(path: Path) -> Image:
    """Grey (H, W); raises CalibrationError naming the file."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if image is None:
        raise CalibrationError(
            f"{path} is not an image that can be read: leave it out, or take it again"
        )
    return np.asarray(image, dtype=np.uint8)


def find_board(images: Sequence[tuple[str, Image]], board: Board) -> Views:
    """Look for the board, or a variant of it that fits better, in named images.

    Raises CalibrationError for images of different sizes, and where the board is in none of them.
    """
    if not images:
        raise CalibrationError("there are no images: give some")
    first, size = images[0][0], images[0][1].shape[1::-1]
    for name, image in images:
        if image.shape[1::-1] != size:
            raise CalibrationError(
                f"{name} is {image.shape[1]}x{image.shape[0]}, {first} is {size[0]}x{size[1]}: "
                "calibrate from images of one size alone, the one that is used later"
            )
    corners = [board.find(image) for _, image in images]
    if not any(corners):
        board = board.adapted([image for _, image in images[:_TRIED]])
        corners = [board.find(image) for _, image in images]
    named = list(zip(images, corners, strict=True))
    found = tuple(View(name, c) for (name, _), c in named if c is not None)
    if not found:
        raise CalibrationError(
            f"the board is in none of the {len(images)} images: "
            f"{board.explain([image for _, image in images[:_TRIED]])}"
        )
    without = tuple(name for (name, _), c in named if c is None)
    return Views(board, (int(size[0]), int(size[1])), found, without)


def read_views(paths: Sequence[Path], board: Board) -> Views:
    """Look for the board in image files, or in all images of folders."""
    return find_board([(path.name, read_image(path)) for path in image_files(paths)], board)
