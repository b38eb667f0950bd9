"""Pictures of a board that one camera takes, as they grow more; kept for the commands too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from calibration.boards import Corners, Image, parse_board
from calibration.coverage import coverage_of
from calibration.intrinsics import Intrinsics, calibrate_intrinsics
from calibration.intrinsics_command import CalibrateIntrinsics, outcome
from calibration.result_files import finish
from calibration.views import View, Views


class TakenViews:
    """Of a camera and the board of these words; all files go to a folder."""

    def __init__(self, camera: str, words: str, out: Path) -> None:
        self._camera, self._words, self._out = camera, words, out
        self.board = parse_board(words)
        self._size = 0, 0
        self._found: list[View] = []
        self._without: list[str] = []
        (out / "images").mkdir(parents=True)

    def add(self, image: Image, corners: Corners | None) -> str:
        """Keep an image (H, W) with what was found in it; gives its name."""
        name = f"{len(self._found) + len(self._without):02}.png"
        cv2.imwrite(str(self._out / "images" / name), image)
        self._size = int(image.shape[1]), int(image.shape[0])
        if corners is None:
            self._without.append(name)
        else:
            self._found.append(View(name, corners))
        return name

    @property
    def views(self) -> Views:
        """All views that were taken so far."""
        return Views(self.board, self._size, tuple(self._found), tuple(self._without))

    def guidance(self) -> dict[str, Any]:
        """What the views cover and what they still lack, for people."""
        coverage = coverage_of(self.views)
        return {
            "camera": self._camera,
            "views": len(self._found),
            "without_board": len(self._without),
            "counts": coverage.counts.astype(int).tolist(),
            "missing": list(coverage.missing),
        }

    def calibrate(self) -> tuple[Intrinsics, int]:
        """Save what `pushcell calibrate intrinsics` comes to; gives its exit code too.

        Raises CalibrationError where the views cannot tell.
        """
        lens = calibrate_intrinsics(self.views)
        words = CalibrateIntrinsics(
            images=(), board=self._words, out=self._out, camera=self._camera
        )
        return lens, finish(outcome(words, self.views, lens), self._out, False, None)
