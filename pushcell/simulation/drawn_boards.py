"""Calibration boards in the drawn scene: a white plate with its dark parts as one mesh on top.

As a mesh and not as a picture on the plate: how a renderer samples pictures blurs their edges by
half a pixel.
"""

from __future__ import annotations

import numpy as np
from pydrake.common import MemoryFile
from pydrake.geometry import Box, InMemoryMesh, Mesh
from pydrake.math import RigidTransform
from pydrake.multibody.plant import MultibodyPlant

from calibration.boards import CharucoBoard
from calibration.mounted_board import MountedBoard
from pushcell.arm.drake_pose import to_drake
from pushcell.errors import ConfigError

_WHITE, _BLACK = np.array([0.9, 0.9, 0.9, 1.0]), np.array([0.05, 0.05, 0.05, 1.0])
_BORDER_M, _THICKNESS_M, _INK_M = 0.01, 0.004, 0.0002


def add_board(plant: MultibodyPlant, mounted: MountedBoard) -> None:
    """Fix the board to its link; its corners lie exactly in the plane z = 0 of its pose."""
    board = mounted.board
    if not isinstance(board, CharucoBoard):
        raise ConfigError("only charuco boards can be drawn in the simulated cell")
    body = plant.GetBodyByName(mounted.link)
    X_LB = to_drake(mounted.pose_in_link)
    width, height = board.size_m
    # The board's z axis points away from who looks at it.
    middle = RigidTransform([width / 2, height / 2, _INK_M + _THICKNESS_M / 2])
    plate = Box(width + 2 * _BORDER_M, height + 2 * _BORDER_M, _THICKNESS_M)
    name = f"board_on_{mounted.link}"
    plant.RegisterVisualGeometry(body, X_LB @ middle, plate, name, _WHITE)
    ink = MemoryFile(_ink(board), ".obj", f"{name}_ink")
    mesh = Mesh(InMemoryMesh(mesh_file=ink), scale=1.0)
    plant.RegisterVisualGeometry(body, X_LB, mesh, f"{name}_ink", _BLACK)


def _ink(board: CharucoBoard) -> str:
    """The dark cells as an OBJ file, each two triangles that face who looks at the board."""
    cell = board.marker_m / board.marker_cells
    cells = board.square_m / cell
    if abs(cells - round(cells)) > 1e-6 or (round(cells) - board.marker_cells) % 2:
        raise ConfigError(
            f"a board with squares of {board.square_m} m and markers of {board.marker_m} m cannot "
            f"be drawn: a marker's cells, {cell:.4f} m, must fill its square with the same whole "
            "number of cells on either side"
        )
    dark = board.draw(1 / cell) < 128
    lines, count = ["vn 0 0 -1"], 0
    for row, column in np.argwhere(dark):
        x, y = column * cell, row * cell
        for dx, dy in ((0, 0), (0, cell), (cell, cell), (cell, 0)):
            lines.append(f"v {x + dx:.6f} {y + dy:.6f} 0")
        a, b, c, d = (count + i for i in range(1, 5))
        lines += [f"f {a}//1 {b}//1 {c}//1", f"f {a}//1 {c}//1 {d}//1"]
        count += 4
    return "\n".join(lines) + "\n"
