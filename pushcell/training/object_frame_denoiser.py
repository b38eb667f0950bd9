"""A denoiser that thinks in the slider's axes, where contacts look the same at every heading.

The chunk is turned into them and the prediction back; noise that is the same in all directions
stays so. What it predicts of each action is in the spread of that action: the first ones move
by millimetres, the last ones by a hand.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pushcell.training.config_policy import ObjectFrameConfig
from pushcell.training.layers import ACTION, Float32Linear, StepFeatures
from pushcell.training.pose_features import DIRECTION, turned
from pushcell.training.trunk import ResidualBlock

_STEP_FEATURES = 64


class ObjectFrameDenoiser(nn.Module):
    """Residual layers over the whole chunk; what is seen modulates each (FiLM).

    The embedding's last two numbers are the direction of the slider's x axis.
    """

    spread: Tensor

    def __init__(
        self, config: ObjectFrameConfig, horizon: int, channels: int, embedding: int
    ) -> None:
        super().__init__()
        width, seen = config.width, embedding - DIRECTION
        self.horizon, self.width = horizon, width
        self.register_buffer("spread", torch.ones(horizon, 1))
        self.step = StepFeatures(_STEP_FEATURES)
        self.when = nn.Sequential(
            nn.Linear(self.step.size, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.inlet = Float32Linear(horizon * channels, width)
        self.seen = nn.Linear(seen, width)
        self.film = nn.Linear(seen, 2 * width * config.blocks)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(config.blocks))
        self.outlet = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, horizon * ACTION))

    def forward(self, sample: Tensor, timestep: Tensor, embedding: Tensor) -> Tensor:
        """(B, H, 2) of sample (B, H, C), timestep (B,) and embedding (B, D)."""
        seen, direction = embedding[:, :-DIRECTION], embedding[:, None, -DIRECTION:]
        back = direction * torch.tensor([1.0, -1.0], device=direction.device)
        chunk = torch.cat([turned(sample[..., :ACTION], back), sample[..., ACTION:]], -1)
        state = self.inlet(chunk.flatten(1)) + self.seen(seen) + self.when(self.step(timestep))
        modulation = self.film(seen).chunk(2 * len(self.blocks), -1)
        for k, block in enumerate(self.blocks):
            state = block(state, modulation[2 * k], modulation[2 * k + 1])
        prediction = self.outlet(state).view(-1, self.horizon, ACTION) * self.spread
        return turned(prediction, direction)
