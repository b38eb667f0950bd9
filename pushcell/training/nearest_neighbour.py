"""Nearest neighbours in the embedding (VINN): what a policy must beat to have learned anything."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pushcell.training.batches import Observation
from pushcell.training.config import TrainConfig
from pushcell.training.config_policy import NearestConfig
from pushcell.training.policy import TrainablePolicy


class NearestPolicy(TrainablePolicy):
    """Keeps demonstrated windows; learns nothing but them. The oldest give way when it is full."""

    keys: Tensor
    chunks: Tensor
    filled: Tensor

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        assert isinstance(config.policy, NearestConfig)
        self.neighbours = config.policy.neighbours
        self.temperature = config.policy.temperature
        most = config.policy.most_keys
        self.register_buffer("keys", torch.zeros(most, self.encoder.size))
        self.register_buffer("chunks", torch.zeros(most, self.horizon, 2))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self._kept: tuple[Tensor, Tensor] | None = None
        self.unused = nn.Parameter(torch.zeros(()))  # optimisers want something to hold

    def forward(self, observation: Observation, chunk: Tensor) -> Tensor:
        """In training keeps the windows; else the mean squared error of the chunks made of them."""
        chunk = self.normalised(chunk)
        with torch.no_grad():
            embedding = self.encoder(observation)
            if not self.training:
                return (self.decode(embedding, chunk) - chunk).square().mean()
            places = (int(self.filled) + torch.arange(len(chunk))) % len(self.keys)
            self.keys[places], self.chunks[places] = embedding, chunk
            self.filled += len(chunk)
        return 0 * self.unused

    def decode(self, embedding: Tensor, noise: Tensor) -> Tensor:
        """See Policy; noise is not used."""
        return torch.stack([self._chunk_for(row) for row in embedding])

    def _chunk_for(self, embedding: Tensor) -> Tensor:
        keys, chunks = self._kept or self._filled()
        squares = (embedding - keys).square().mean(-1)
        distance, nearest = squares.topk(min(self.neighbours, len(keys)), largest=False)
        weight = (-distance.sqrt() / self.temperature).softmax(-1)
        return (weight[:, None, None] * chunks[nearest]).sum(0)

    def freeze(self) -> None:
        """Keep what is there for good: a graph that is exported cannot ask how full it is."""
        self._kept = self._filled()

    def _filled(self) -> tuple[Tensor, Tensor]:
        count = min(int(self.filled), len(self.keys))
        return self.keys[:count], self.chunks[:count]
