"""Sliders as surface meshes: outlines drawn up to a height, in the text of Wavefront OBJ."""

from __future__ import annotations

import numpy as np
from pydrake.common import MemoryFile
from pydrake.geometry import InMemoryMesh, Mesh

from pushcell.geometry import Array
from pushcell.task import SliderShape


def slider_mesh(
    shape: SliderShape, height_m: float, largest_bottom_edge_m: float = np.inf, gap_m: float = 0.0
) -> Mesh:
    """The slider around its centre of mass, half of its height below the origin.

    The bottom is cut into triangles without longer edges than asked for; the walls begin
    ``gap_m`` above it.
    """
    bottom, top = -height_m / 2, height_m / 2
    faces = [_at(part, top) for part in shape.parts]
    for part in shape.parts:
        for triangle in _triangles(part, largest_bottom_edge_m):
            faces.append(_at(triangle[::-1], bottom))
    for start, end in zip(shape.outline, np.roll(shape.outline, -1, axis=0), strict=True):
        edge = np.stack([start, end])
        faces.append(np.concatenate([_at(edge, bottom + gap_m), _at(edge[::-1], top)]))
    file = MemoryFile(_obj(faces), ".obj", f"slider {shape.name}")
    return Mesh(InMemoryMesh(mesh_file=file))


def _triangles(part: Array, largest_edge_m: float) -> list[Array]:
    """A convex part (M, 2) as triangles (3, 2), halved at their longest edges as needed."""
    pieces = [part[[0, i, i + 1]] for i in range(1, len(part) - 1)]
    done = []
    while pieces:
        piece = pieces.pop()
        lengths = np.linalg.norm(np.roll(piece, -1, axis=0) - piece, axis=1)
        longest = int(np.argmax(lengths))
        if lengths[longest] <= largest_edge_m:
            done.append(piece)
            continue
        a, b, c = np.roll(piece, -longest, axis=0)
        middle = (a + b) / 2
        pieces += [np.stack([a, middle, c]), np.stack([middle, b, c])]
    return done


def _at(points: Array, z: float) -> Array:
    return np.column_stack([points, np.full(len(points), z)])


def _obj(faces: list[Array]) -> str:
    """OBJ text of flat faces (M, 3), each with its own corners and normal."""
    lines = []
    for number, face in enumerate(faces, start=1):
        normal = np.cross(face[1] - face[0], face[2] - face[1])
        lines += [f"v {x:.9f} {y:.9f} {z:.9f}" for x, y, z in face]
        lines.append("vn {:.6f} {:.6f} {:.6f}".format(*normal / np.linalg.norm(normal)))
        lines.append(
            "f " + " ".join(f"{corner - len(face)}//{number}" for corner in range(len(face)))
        )
    return "\n".join(lines)
