"""Denoising networks: what is the matter with a noisy chunk, given what is seen.

All take sample (B, H, C), timestep (B,) int64 and embedding (B, D), and give (B, H, 2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pushcell.training.config_policy import (
    MlpConfig,
    NetworkConfig,
    ObjectFrameConfig,
    TransformerConfig,
    UnetConfig,
)
from pushcell.training.layers import ACTION, Float32Linear, StepFeatures
from pushcell.training.object_frame_denoiser import ObjectFrameDenoiser
from pushcell.training.unet import Unet

_STEP_FEATURES = 64
_MEMORY_TOKENS = 4


def make_network(config: NetworkConfig, horizon: int, channels: int, embedding: int) -> nn.Module:
    """The network that a configuration names; ``channels`` is C."""
    if isinstance(config, MlpConfig):
        return Mlp(config, horizon, channels, embedding)
    if isinstance(config, ObjectFrameConfig):
        return ObjectFrameDenoiser(config, horizon, channels, embedding)
    if isinstance(config, UnetConfig):
        step = StepFeatures(config.step_features)
        return Unet(config, step, horizon, channels, embedding)
    return Transformer(config, horizon, channels, embedding)


class Mlp(nn.Module):
    """Residual layers over the whole chunk; what is seen is added before each."""

    def __init__(self, config: MlpConfig, horizon: int, channels: int, embedding: int) -> None:
        super().__init__()
        width = config.width
        self.step = StepFeatures(_STEP_FEATURES)
        self.seen = nn.Sequential(
            Float32Linear(embedding + self.step.size, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.inlet = Float32Linear(horizon * channels, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, width),
                nn.SiLU(),
                nn.Dropout(config.dropout),
                nn.Linear(width, width),
            )
            for _ in range(config.blocks)
        )
        self.outlet = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, horizon * ACTION))

    def forward(self, sample: Tensor, timestep: Tensor, embedding: Tensor) -> Tensor:
        """See the module."""
        seen = self.seen(torch.cat([embedding, self.step(timestep)], -1))
        state = self.inlet(sample.flatten(1))
        for block in self.blocks:
            state = state + block(state + seen)
        return self.outlet(state + seen).view(-1, sample.shape[1], ACTION)


class Transformer(nn.Module):
    """Actions attend to each other and to a few tokens of timestep and observation."""

    def __init__(
        self, config: TransformerConfig, horizon: int, channels: int, embedding: int
    ) -> None:
        super().__init__()
        width = config.width
        self.step = StepFeatures(_STEP_FEATURES)
        self.when = nn.Linear(self.step.size, width)
        self.seen = Float32Linear(embedding, _MEMORY_TOKENS * width)
        self.inlet = Float32Linear(channels, width)
        self.places = nn.Parameter(0.02 * torch.randn(horizon, width))
        layer = nn.TransformerDecoderLayer(
            width, config.heads, 4 * width, config.dropout, "gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.layers = nn.TransformerDecoder(layer, config.layers, nn.LayerNorm(width))
        self.outlet = nn.Linear(width, ACTION)

    def forward(self, sample: Tensor, timestep: Tensor, embedding: Tensor) -> Tensor:
        """See the module."""
        when = self.when(self.step(timestep))[:, None]
        seen = self.seen(embedding).view(-1, _MEMORY_TOKENS, when.shape[-1])
        tokens = self.inlet(sample) + self.places
        return self.outlet(self.layers(tokens, torch.cat([when, seen], 1)))
