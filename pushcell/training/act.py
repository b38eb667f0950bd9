"""Action chunking with transformers (ACT): a conditional VAE, for comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pushcell.training.batches import Observation
from pushcell.training.config import TrainConfig
from pushcell.training.config_policy import ActConfig
from pushcell.training.layers import ACTION
from pushcell.training.policy import TrainablePolicy


class ActPolicy(TrainablePolicy):
    """In training a style is inferred from the chunk itself; at run time it is the mean, zero."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        assert isinstance(config.policy, ActConfig)
        policy = config.policy
        self.kl_weight, self.style = policy.kl_weight, policy.style
        self.seen = nn.Linear(self.encoder.size, policy.width)
        self.acted = nn.Linear(ACTION, policy.width)
        self.places = nn.Parameter(0.02 * torch.randn(self.horizon, policy.width))
        self.inferring = nn.TransformerEncoder(_encoder_layer(policy), policy.layers)
        self.to_style = nn.Linear(policy.width, 2 * policy.style)
        self.of_style = nn.Linear(policy.style, policy.width)
        self.queries = nn.Parameter(0.02 * torch.randn(self.horizon, policy.width))
        layer = nn.TransformerDecoderLayer(
            policy.width, policy.heads, 4 * policy.width, policy.dropout, batch_first=True
        )
        self.decoding = nn.TransformerDecoder(layer, policy.layers)
        self.outlet = nn.Linear(policy.width, ACTION)

    def forward(self, observation: Observation, chunk: Tensor) -> Tensor:
        """Mean absolute error, and the style's divergence from the standard normal."""
        chunk = self.normalised(chunk)
        embedding = self.encoder(observation)
        tokens = torch.cat([self.seen(embedding)[:, None], self.acted(chunk) + self.places], 1)
        mean, log_variance = self.to_style(self.inferring(tokens)[:, 0]).chunk(2, -1)
        noise = torch.randn(mean.shape).to(mean.device)
        style = mean + (log_variance / 2).exp() * noise
        divergence = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum(-1).mean()
        error = (self._decoded(embedding, style) - chunk).abs().mean()
        return error + self.kl_weight * divergence

    def decode(self, embedding: Tensor, noise: Tensor) -> Tensor:
        """See Policy; noise is not used."""
        return self._decoded(embedding, embedding.new_zeros(len(embedding), self.style))

    def _decoded(self, embedding: Tensor, style: Tensor) -> Tensor:
        memory = torch.stack([self.seen(embedding), self.of_style(style)], 1)
        queries = self.queries.expand(len(embedding), -1, -1)
        return self.outlet(self.decoding(queries, memory))


def _encoder_layer(policy: ActConfig) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        policy.width, policy.heads, 4 * policy.width, policy.dropout, batch_first=True
    )
