"""What a policy computes for windows of a data set: embeddings, activations, chunks, errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushcell.training.augmentation import prepared
from pushcell.training.batches import Batch, BatchBuilder
from pushcell.training.config import TrainConfig
from pushcell.training.denoising import DenoisingPolicy
from pushcell.training.policy import TrainablePolicy
from pushcell.training.windows import Indices, Windows

EMBEDDING, LAST_ACTIVATION = "embedding", "last activation"
_ROWS = 256


@dataclass(frozen=True)
class FeatureReader:
    """Runs a policy that is ready to use; the same seed draws the same noise."""

    policy: TrainablePolicy
    config: TrainConfig
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """The features that this policy has: an activation is of a denoising network."""
        denoises = isinstance(self.policy, DenoisingPolicy)
        return (EMBEDDING, LAST_ACTIVATION) if denoises else (EMBEDDING,)

    def features(self, windows: Windows, items: Indices) -> dict[str, Tensor]:
        """(B, D) of each name."""
        parts: dict[str, list[Tensor]] = {name: [] for name in self.names}
        with torch.no_grad(), self._noise():
            for batch in self._batches(windows, items):
                embedding = self.policy.encoder(batch.observation)
                parts[EMBEDDING].append(embedding)
                if isinstance(self.policy, DenoisingPolicy):
                    noise = torch.randn(batch.chunk.shape)
                    activation = self.policy.last_activation(embedding, batch.chunk, noise)
                    parts[LAST_ACTIVATION].append(activation.flatten(1))
        return {name: torch.cat(tensors) for name, tensors in parts.items()}

    def chunks(self, windows: Windows, items: Indices) -> Tensor:
        """(B, H, 2) the policy's chunks, normalised."""
        with torch.no_grad(), self._noise():
            return torch.cat(
                [
                    self.policy.chunk(batch.observation, torch.randn(batch.chunk.shape))
                    for batch in self._batches(windows, items)
                ]
            )

    def errors(self, windows: Windows, items: Indices) -> dict[str, float]:
        """The policy's own measures over these windows, in the data's units."""
        sums: dict[str, float] = {}
        with torch.no_grad(), self._noise():
            for batch in self._batches(windows, items):
                for name, value in self.policy.measures(batch.observation, batch.chunk).items():
                    part = float(value) * len(batch.chunk) / len(items)
                    sums[name] = sums.get(name, 0.0) + part
        return sums

    def demonstrated(self, windows: Windows, items: Indices) -> Tensor:
        """(B, H, 2) the chunks of the demonstrations, normalised."""
        chunk = BatchBuilder([windows], 1, self.config.action).gather([items]).chunk
        return self.policy.normalised(chunk)

    def paths(self, windows: Windows, items: Indices, chunks: Tensor) -> NDArray[np.float32]:
        """(B, H, 2) positions of the pusher that normalised chunks of these windows ask for."""
        raw = self.policy.actions.restore(chunks).numpy()
        if self.config.action.space == "absolute":
            return raw
        return raw + windows.data_set.pusher[windows.indices[items], None, :2]

    def _batches(self, windows: Windows, items: Indices) -> Iterator[Batch]:
        vision = self.config.observation.vision
        builder = BatchBuilder(
            [windows],
            self.config.observation.steps,
            self.config.action,
            vision.cameras if vision else (),
        )
        for first in range(0, len(items), _ROWS):
            batch = builder.gather([items[first : first + _ROWS]])
            yield Batch(prepared(batch.observation, vision, training=False), batch.chunk)

    @contextmanager
    def _noise(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            yield
