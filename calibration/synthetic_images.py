"""Pictures of a board as a real lens would take them: distorted, blurred, noisy; truth known."""

from __future__ import annotations

import cv2
import numpy as np

from calibration.boards import Board, Image
from pushcell.cameras.camera_model import Lens
from pushcell.geometry import Array

_PX_PER_M = 4000.0
_FINE = 2  # x 2 rays a pixel
_PAPER = 225.0
_INK = 20.0
_WALL = 90.0


class SyntheticCamera:
    """Takes grey pictures of one board, with Gaussian blur [px] and noise (of 255)."""

    def __init__(
        self, board: Board, lens: Lens, seed: int, blur_px: float = 0.6, noise: float = 3.0
    ) -> None:
        self._lens, self._blur_px, self._noise = lens, blur_px, noise
        self._rng = np.random.default_rng(seed)
        print_out = board.draw(_PX_PER_M)
        border = round(0.02 * _PX_PER_M)
        print_out = cv2.copyMakeBorder(
            print_out, *(4 * [border]), cv2.BORDER_CONSTANT, value=255
        ).astype(np.float32)
        self._print = _INK + (_PAPER - _INK) / 255 * print_out
        self._border = border
        width, height = lens.size
        v, u = np.mgrid[: height * _FINE, : width * _FINE].astype(np.float64)
        pixels = (np.stack([u, v], axis=-1).reshape(-1, 2) + 0.5) / _FINE - 0.5
        self._rays = lens.rays(pixels)[:, None, :2].astype(np.float32)

    def take(self, board_in_camera: Array) -> Image:
        """(H, W) a picture of the board at a pose (4, 4)."""
        width, height = self._lens.size
        # The plane z = 0 of the board: where a ray hits it, the homography's inverse sends it.
        to_print = np.array([[_PX_PER_M, 0, self._border - 0.5]] * 2 + [[0, 0, 1.0]])
        to_print[1] = to_print[1][[1, 0, 2]]
        homography = to_print @ np.linalg.inv(board_in_camera[:3, [0, 1, 3]])
        grid = cv2.perspectiveTransform(self._rays, homography)
        grid = grid.reshape(height * _FINE, width * _FINE, 2)
        picture = cv2.remap(
            self._print, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
            borderValue=_WALL,
        )  # fmt: skip
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        if self._blur_px > 0:
            picture = cv2.GaussianBlur(picture, (0, 0), self._blur_px)
        picture = picture + self._noise * self._rng.standard_normal(picture.shape, np.float32)
        return np.clip(np.round(picture), 0, 255).astype(np.uint8)
