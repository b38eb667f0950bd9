"""The deep part of an encoder: run once a chunk, however often the denoiser is."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from pushcell.training.config_policy import TrunkConfig
from pushcell.training.layers import Float32Linear


class ResidualBlock(nn.Module):
    """Adds to its input what it makes of it; at first nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(
        self, state: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        """(B, width); ``scale`` and ``shift`` (B, width) modulate it."""
        inner = self.norm(state)
        if scale is not None and shift is not None:
            inner = inner * (1 + scale) + shift
        hidden = nn.functional.silu(self.first(nn.functional.silu(inner)))
        return state + cast(Tensor, self.second(hidden))


class Trunk(nn.Sequential):
    """(B, width) of features (B, n)."""

    def __init__(self, config: TrunkConfig, features: int) -> None:
        blocks = [ResidualBlock(config.width) for _ in range(config.blocks)]
        super().__init__(
            Float32Linear(features, config.width), *blocks, nn.LayerNorm(config.width), nn.SiLU()
        )
        self.size = config.width
