"""A board and roughly where it is mounted: on the arm's last link, or on the table."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.boards import CharucoBoard, Chessboard, parse_board
from pushcell.errors import CalibrationError
from pushcell.geometry import Pose


@dataclass(frozen=True)
class MountedBoard:
    """A board on a link of the arm, or on its base; ``words`` describe it."""

    words: str
    board: CharucoBoard | Chessboard
    link: str
    pose_in_link: Pose

    @classmethod
    def parse(cls, board: str, link: str, pose: str) -> MountedBoard:
        """From a board's description and "x y z roll pitch yaw" in metres and radians."""
        try:
            numbers = [float(word) for word in pose.split()]
            if len(numbers) != 6:
                raise ValueError
        except ValueError:
            raise CalibrationError(
                f"a board's pose is {pose!r}, allowed: six numbers x y z roll pitch yaw [m, rad]"
            ) from None
        return cls(board, parse_board(board), link, Pose.from_xyz_rpy(numbers[:3], numbers[3:]))
