"""Batched sampling: each chunk is sampled on its own, but they share the network's calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_server.sampler import Floats, SamplingSteps


@dataclass(frozen=True)
class PartialSample:
    """A chunk that is being sampled, and what the denoiser takes for it besides the sample."""

    inputs: Mapping[str, NDArray[Any]]  # each with a leading 1
    sampling_steps: SamplingSteps


def sample_together(
    samples: Sequence[PartialSample], denoise: Callable[[Mapping[str, NDArray[Any]]], Floats]
) -> list[Floats]:
    """The chunks (1, H, 2) of samples, which may differ in their numbers of denoising steps."""
    asked = {number: next(sample.sampling_steps) for number, sample in enumerate(samples)}
    chunks: dict[int, Floats] = {}
    while asked:
        inputs = {
            name: np.concatenate([samples[number].inputs[name] for number in asked])
            for name in samples[0].inputs
        }
        inputs["sample"] = np.concatenate([sample for sample, _ in asked.values()])
        inputs["timestep"] = np.array([timestep for _, timestep in asked.values()], np.int64)
        predictions = denoise(inputs)
        for row, number in enumerate(list(asked)):
            try:
                asked[number] = samples[number].sampling_steps.send(predictions[row : row + 1])
            except StopIteration as done:
                chunks[number] = done.value
                del asked[number]
    return [chunks[number] for number in range(len(samples))]
