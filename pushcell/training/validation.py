"""How well a policy does on episodes that it has not seen, without running it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch

from pushcell.training.augmentation import prepared
from pushcell.training.batches import Batch
from pushcell.training.config import VisionConfig
from pushcell.training.policy import TrainablePolicy

_STREAM = 20_26


def validate(
    policy: TrainablePolicy, batches: list[Batch], vision: VisionConfig | None, device: torch.device
) -> dict[str, float]:
    """Means over the batches: the loss and the policy's own measures; the same noise every time."""
    sums: dict[str, float] = {}
    count = sum(len(batch.chunk) for batch in batches)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_STREAM)
        for batch in batches:
            batch = batch.to(device)
            observation = prepared(batch.observation, vision, training=False)
            loss = policy(observation, batch.chunk)
            measures = {"loss": loss, **policy.measures(observation, batch.chunk)}
            for name, value in measures.items():
                part = float(value) * len(batch.chunk) / count
                sums[f"validation_{name}"] = sums.get(f"validation_{name}", 0.0) + part
    return sums


def validate_each(
    policy: TrainablePolicy,
    batches: Iterable[tuple[str, Batch]],
    vision: VisionConfig | None,
    device: torch.device,
) -> dict[str, float]:
    """Means of the policy's own measures over the batches of each data set."""
    sums: dict[tuple[str, str], float] = {}
    counts: Counter[str] = Counter()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_STREAM)
        for name, batch in batches:
            batch = batch.to(device)
            observation = prepared(batch.observation, vision, training=False)
            counts[name] += len(batch.chunk)
            for measure, value in policy.measures(observation, batch.chunk).items():
                total = sums.get((measure, name), 0.0) + float(value) * len(batch.chunk)
                sums[measure, name] = total
    return {f"validation_{measure}_{name}": sums[measure, name] / counts[name]
            for measure, name in sums}  # fmt: skip
