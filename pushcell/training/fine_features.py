"""Features that make plain to a small network what a few millimetres mean.

Lengths are in metres; a benchmark's pixels are told as such (``observation.unit_m``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import hardtanh

_WAVES_M = (0.25, 0.12, 0.06)
_REACH_M = 0.03  # within which an edge is felt
_SIDE_M = 0.02
_GAP_M = 0.006
_NEAR = (0.01, 0.03, 0.1)  # [m] or [rad]
_HARMONICS = 4


def waves(points: Tensor) -> Tensor:
    """(..., 4 W) sines and cosines of points (..., 2)."""
    angles = torch.cat([points * (2 * math.pi / length) for length in _WAVES_M], -1)
    return torch.cat([angles.sin(), angles.cos()], -1)


def edges_seen(points: Tensor, outline: Tensor, touching_m: float) -> Tensor:
    """(..., 4 K) of points (..., 2) and each of K edges of an outline (K, 2), in its frame.

    Where along the edge, how near, on which side of its line, and how far from touching it.
    """
    edge = torch.roll(outline, -1, 0) - outline
    length = edge.norm(dim=-1)
    normal = torch.stack([-edge[:, 1], edge[:, 0]], -1) / length[:, None]
    offset = points[..., None, :] - outline
    along = (offset * edge).sum(-1) / length**2
    nearest = offset - hardtanh(along, 0.0, 1.0)[..., None] * edge
    distance = ((nearest**2).sum(-1) + 1e-12).sqrt()
    side = (offset * normal).sum(-1)
    return torch.cat(
        [
            hardtanh(along, -1.0, 2.0),
            torch.exp(-distance / _REACH_M),
            torch.tanh(side / _SIDE_M),
            torch.tanh((distance - touching_m) / _GAP_M),
        ],
        -1,
    )


def nearness(offset: Tensor) -> Tensor:
    """(..., (N + 1) S) of offsets (..., N) from where they should be zero, at each scale.

    In [-1, 1], steepest at 0 and never flat.
    """
    length = ((offset**2).sum(-1, keepdim=True) + 1e-12).sqrt()
    values = torch.cat([offset, length], -1)
    return torch.cat([values / (values.abs() + scale) for scale in _NEAR], -1)


def harmonics(direction: Tensor) -> Tensor:
    """(..., 2 M) cosines and sines of multiples of an angle given as (..., 2)."""
    cos, sin = direction[..., 0], direction[..., 1]
    rows = [(cos, sin)]
    for _ in range(_HARMONICS - 1):
        a, b = rows[-1]
        rows.append((a * cos - b * sin, a * sin + b * cos))
    return torch.stack([value for row in rows for value in row], -1)
