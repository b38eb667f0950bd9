"""Layers that several networks are made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

ACTION = 2
"""Numbers of an action."""


class StepFeatures(nn.Module):
    """Sines and cosines of the timestep, at periods from 2 pi to 20000 pi."""

    frequencies: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        half = size // 2
        powers = torch.arange(half) / max(1, half - 1)
        self.register_buffer("frequencies", torch.exp(-math.log(10_000) * powers))
        self.size = 2 * half

    def forward(self, timestep: Tensor) -> Tensor:
        """(B, size) of (B,)."""
        angles = timestep[:, None].to(self.frequencies.dtype) * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], -1)


class Float32Linear(nn.Linear):
    """Takes its input in whole precision: positions rounded to 8 bits would be off by 1/256."""

    def forward(self, values: Tensor) -> Tensor:
        """(..., out) of (..., in)."""
        with torch.autocast(values.device.type, enabled=False):
            return super().forward(values.float())
