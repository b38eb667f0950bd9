"""The one interface of all policies: an observation in, a chunk out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from pushcell.errors import TrainingError
from pushcell.training.batches import Batch, Observation
from pushcell.training.config import TrainConfig
from pushcell.training.encoder import Encoder
from pushcell.training.normalizer import LinearNormalizer

_MOST_BEYOND = 0.01  # of the actions


class TrainablePolicy(nn.Module, ABC):
    """An encoder, and something that makes chunks of its embedding.

    Observations are as encoders take them; chunks are (B, H, 2), raw in batches and normalised
    everywhere else.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        told_domain = config.domains is not None and config.domains.label
        self.encoder = Encoder(config.observation, told_domain)
        self.actions = LinearNormalizer(2)
        self.horizon, self.outliers = config.action.horizon, config.action.outliers
        self.reach = config.action.reach

    @abstractmethod
    def forward(self, observation: Observation, chunk: Tensor) -> Tensor:
        """The loss, a scalar; chunks are raw."""

    @abstractmethod
    def decode(self, embedding: Tensor, noise: Tensor) -> Tensor:
        """The normalised chunk of embeddings (B, D), and of noise (B, H, 2) if it needs any."""

    @property
    def parameters_at_run_time(self) -> int:
        """How many numbers have been learned for making chunks."""
        return sum(part.numel() for part in self.parameters())

    def chunk(self, observation: Observation, noise: Tensor) -> Tensor:
        """The normalised chunk for an observation."""
        return self.decode(self.encoder(observation), noise)

    def measures(self, observation: Observation, chunk: Tensor) -> dict[str, Tensor]:
        """How far the policy's chunks are from raw ones, on average, in the data's units."""
        noise = torch.randn(chunk.shape).to(chunk.device)
        predicted = self.actions.restore(self.chunk(observation, noise))
        return {"action_error": (predicted - chunk).norm(dim=-1).mean()}

    def fit(self, batch: Batch, data_set: str) -> None:
        """Fit and freeze the ranges on all windows of a data set; images are not needed."""
        self.encoder.fit(batch.observation, data_set)
        if self.reach is None:
            self.actions.fit(batch.chunk, ("action x", "action y"), data_set, self.outliers)
        else:
            beyond = float((batch.chunk.abs() > self.reach).float().mean())
            if beyond > _MOST_BEYOND:
                raise TrainingError(
                    f"{beyond:.0%} of the actions of data set {data_set!r} are beyond action.reach "
                    f"{self.reach}, where they would be clipped: make it larger, or leave it out"
                )
            self.actions.bounds.copy_(torch.tensor([[-self.reach], [self.reach]]).expand(2, 2))

    def normalised(self, chunk: Tensor) -> Tensor:
        """Chunks as they are learned."""
        return self.actions.normalise(chunk).clamp(-1, 1)
