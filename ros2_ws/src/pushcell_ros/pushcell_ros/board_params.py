"""Calibration boards as parameters: of who draws them, and of who calibrates by them."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.mounted_board import MountedBoard
from pushcell.config.arm import ArmModelConfig
from pushcell_ros.params import CellParams, parameter


@dataclass(frozen=True)
class BoardParams(CellParams):
    """Up to two boards."""

    hand_board: str = parameter(
        "",
        "board on the arm's last link, for cameras on the base; "
        "format as in pushcell calibrate intrinsics --help",
    )
    hand_board_pose: str = parameter("", "approximate x y z roll pitch yaw in that link [m, rad]")
    table_board: str = parameter(
        "",
        "board on the table, for cameras on the arm; "
        "format as in pushcell calibrate intrinsics --help",
    )
    table_board_pose: str = parameter("", "approximate x y z roll pitch yaw in the base [m, rad]")

    def boards(self, arm: ArmModelConfig) -> dict[str, MountedBoard]:
        """Those that are described, by the link that carries each."""
        described = {
            arm.tip_link: (self.hand_board, self.hand_board_pose),
            arm.base_link: (self.table_board, self.table_board_pose),
        }
        return {
            link: MountedBoard.parse(words, link, pose)
            for link, (words, pose) in described.items()
            if words
        }
