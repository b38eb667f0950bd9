"""Probes: small classifiers that read from features whether a window is of the target set.

Each is trained anew, on episodes that it is not judged on, with as many windows of the target set
as of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pushcell.errors import TrainingError
from pushcell.evaluation.statistics import wilson_interval

_HIDDEN = 64
_STEPS = 300
_LEARNING_RATE = 1e-2
_WEIGHT_DECAY = 1e-3
_LEAST_SPREAD = 1e-6


def _linear(size: int) -> nn.Module:
    return nn.Linear(size, 2)


def _mlp(size: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 2))


PROBES: dict[str, Callable[[int], nn.Module]] = {"linear": _linear, "mlp": _mlp}
"""Name -> the classifier of features (B, size)."""


@dataclass(frozen=True)
class Labelled:
    """Features (B, D) and whether each window is of the target set (B,), as 0 and 1."""

    features: Tensor
    is_target: Tensor

    def balanced(self, rng: np.random.Generator) -> Labelled:
        """As many of either class, drawn at random."""
        classes = [np.flatnonzero(self.is_target.numpy() == label) for label in (0, 1)]
        count = min(map(len, classes))
        rows = np.concatenate([rng.permutation(rows)[:count] for rows in classes])
        return Labelled(self.features[rows], self.is_target[rows])


@dataclass(frozen=True)
class DomainReading:
    """How often a probe was right, in windows of so many episodes of both classes."""

    features: str
    probe: str
    correct: int
    windows: int
    episodes: int
    trained_on: int

    def describe(self) -> dict[str, Any]:
        """Plain values, with the accuracy and two 95 % intervals of it.

        One takes windows as independent, which those of an episode are not. The other counts each
        episode as one trial, and is rather too wide.
        """
        accuracy = self.correct / self.windows
        return {
            **asdict(self),
            "accuracy": accuracy,
            "wilson95": list(wilson_interval(self.correct, self.windows)),
            "wilson95_of_episodes": list(
                wilson_interval(round(accuracy * self.episodes), self.episodes)
            ),
        }


def read_domain(
    name: str, probe: str, train: Labelled, test: Labelled, episodes: int, seed: int
) -> DomainReading:
    """Train a probe of `PROBES` on features of that name, and judge it on others.

    ``episodes`` is the number of episodes, of both classes alike, that the latter are of. Raises
    TrainingError where a class has no window.
    """
    rng = np.random.default_rng(seed)
    train, test = train.balanced(rng), test.balanced(rng)
    if not len(train.features) or not len(test.features):
        raise TrainingError("a probe needs windows of the target set and of others: take more")
    mean, spread = train.features.mean(0), train.features.std(0).clamp(min=_LEAST_SPREAD)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = PROBES[probe](train.features.shape[1])
    optimiser = torch.optim.AdamW(
        classifier.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
    )
    inputs = (train.features - mean) / spread
    for _ in range(_STEPS):
        optimiser.zero_grad()
        cross_entropy(classifier(inputs), train.is_target).backward()
        optimiser.step()
    with torch.no_grad():
        told = classifier((test.features - mean) / spread).argmax(-1)
    correct = int((told == test.is_target).sum())
    return DomainReading(name, probe, correct, len(told), min(episodes, len(told)), len(inputs))
