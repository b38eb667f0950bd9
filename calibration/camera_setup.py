"""What is known before a calibration: roughly where the camera and its board are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calibration.boards import Board
from calibration.hand_eye_data import Setup
from calibration.mounted_board import MountedBoard
from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.config.arm import ArmModelConfig
from pushcell.config.cell import CameraConfig
from pushcell.errors import ConfigError
from pushcell.geometry import Array


@dataclass(frozen=True)
class CalibrationScene:
    """A camera (4, 4) and the board that it is to look at (4, 4), each on its carrier.

    One carrier is the base, the other the arm's ``link``, the hand.
    """

    setup: Setup
    board: Board
    words: str
    lens: Lens
    camera: Array
    target: Array
    link: str

    @classmethod
    def of(
        cls, camera: CameraConfig, model: ArmModelConfig, boards: Mapping[str, MountedBoard]
    ) -> CalibrationScene:
        """Of boards by the link that carries each; raises ConfigError where the right one lacks."""
        on_base = camera.link == model.base_link
        board = boards.get(model.tip_link if on_base else model.base_link)
        if board is None:
            what = "hand_board" if on_base else "table_board"
            raise ConfigError(f"camera {camera.name} needs a board: describe it as {what}")
        return cls(
            "eye-to-hand" if on_base else "eye-in-hand",
            board.board,
            board.words,
            Lens(camera.matrix, np.zeros(5), (camera.width_px, camera.height_px)),
            camera.pose_in_link.matrix(),
            board.pose_in_link.matrix(),
            model.tip_link,
        )

    def hand(self, target_in_camera: Array) -> Array:
        """(4, 4) the hand in the base from which the board is seen there."""
        carrier = self.target @ se3.inverse(self.camera @ target_in_camera)
        return carrier if self.setup == "eye-in-hand" else se3.inverse(carrier)

    def target_in_camera(self, hand_in_base: Array) -> Array:
        """(4, 4) where the board is seen from there."""
        carrier = hand_in_base if self.setup == "eye-in-hand" else se3.inverse(hand_in_base)
        return se3.inverse(carrier @ self.camera) @ self.target

    def corners_in_base(self, hand_in_base: Array) -> Array:
        """(4, 3) the board's outline."""
        width, height = self.board.size_m
        outline = np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]])
        pose = self.target if self.setup == "eye-in-hand" else hand_in_base @ self.target
        return outline @ pose[:3, :3].T + pose[:3, 3]
