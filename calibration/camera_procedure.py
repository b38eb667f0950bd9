"""One camera in the calibration of a whole cell: its pictures, its guidance, its result.

Pictures and poses are kept, so that `pushcell calibrate` comes to the same from them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.boards import Image, grey
from calibration.hand_eye import calibrate_hand_eye
from calibration.hand_eye_command import outcome as hand_eye_outcome
from calibration.hand_eye_data import CornerSighting, HandEyeData, Setup
from calibration.result_files import save, show
from calibration.taken_views import TakenViews
from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.config.cell import CameraConfig
from pushcell.errors import CalibrationError
from pushcell.geometry import Array


@dataclass(frozen=True)
class CameraResult:
    """A lens, the camera (4, 4) in its carrier, and whether both are within their limits.

    Then ``saved`` is the hand-eye calibration's file; its lens is beside it, as .yaml.
    """

    lens: Lens
    pose: Array
    saved: Path | None


class CameraProcedure:
    """Takes pictures with the hand's pose (4, 4) in the base; its files go to a folder."""

    def __init__(self, camera: str, setup: Setup, board: str, out: Path) -> None:
        self._camera, self._setup, self._out = camera, setup, out
        self._taken = TakenViews(camera, board, out)
        self._hands: dict[str, Array] = {}

    def add(self, picture: Image, hand_in_base: Array) -> None:
        """Add a view: an image (H, W) or (H, W, 3) and the pose (4, 4) of the hand in the base."""
        image = grey(picture)
        name = self._taken.add(image, self._taken.board.find(image))
        self._hands[name] = hand_in_base

    def guidance(self) -> dict[str, Any]:
        """See `TakenViews.guidance`."""
        return self._taken.guidance()

    def finish(self) -> CameraResult:
        """Calibrate and save; raises CalibrationError where the views cannot tell."""
        poses = {name: hand.tolist() for name, hand in self._hands.items()}
        (self._out / "robot_poses.json").write_text(json.dumps(poses))
        if not self._taken.views.found:
            raise CalibrationError(
                f"camera {self._camera} sees its board in none of {len(poses)} pictures, see "
                f"{self._out / 'images'}: is it mounted where its pose says?"
            )
        lens, over = self._taken.calibrate()
        names = tuple(view.name for view in lens.used)
        corners_m = lens.bundle.corners_m
        data = HandEyeData(
            self._setup,
            names,
            np.array([self._hands[name] for name in names]),
            tuple(CornerSighting.of(view, corners_m, lens.lens) for view in lens.used),
        )
        # The same views tell both: together, the arm's poses settle what the board leaves open.
        result = calibrate_hand_eye(data, free_lens=True)
        assert result.lens is not None
        saved = save(hand_eye_outcome(result, self._setup, self._camera), self._out)
        show(saved)
        return CameraResult(result.lens, result.camera, None if over else saved.path)


@dataclass(frozen=True)
class CalibrationComparison:
    """How far a result is from what the cell's file says of the camera."""

    camera: str
    focal: float
    off_m: float
    off_rad: float

    @classmethod
    def of(cls, camera: CameraConfig, result: CameraResult) -> CalibrationComparison:
        """``focal`` is the worse of both focal lengths, as part of it."""
        said = camera.resized(*result.lens.size).matrix
        focal = max(abs(result.lens.matrix[i, i] / said[i, i] - 1) for i in (0, 1))
        off_m, off_rad = se3.errors(result.pose, camera.pose_in_link.matrix())
        return cls(camera.name, float(focal), float(off_m), float(off_rad))

    def within(self, factor: float) -> bool:
        """Whether it is within 0.3 %, 1 mm and 0.1 deg, each times a factor."""
        return (
            self.focal <= factor * 0.003
            and self.off_m <= factor * 0.001
            and self.off_rad <= factor * np.radians(0.1)
        )
