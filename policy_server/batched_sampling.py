"""Many chunks at once: each is made on its own, only the calls of the network are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_server.sampler import Floats, Making


@dataclass(frozen=True)
class Draft:
    """A chunk in the making, and what the denoiser takes for it besides the sample."""

    inputs: Mapping[str, NDArray[Any]]  # each with a leading 1
    making: Making


def made_together(
    drafts: Sequence[Draft], denoise: Callable[[Mapping[str, NDArray[Any]]], Floats]
) -> list[Floats]:
    """The chunks (1, H, 2) of drafts, which may differ in their numbers of steps."""
    asked = {number: next(draft.making) for number, draft in enumerate(drafts)}
    chunks: dict[int, Floats] = {}
    while asked:
        inputs = {
            name: np.concatenate([drafts[number].inputs[name] for number in asked])
            for name in drafts[0].inputs
        }
        inputs["sample"] = np.concatenate([sample for sample, _ in asked.values()])
        inputs["timestep"] = np.array([timestep for _, timestep in asked.values()], np.int64)
        predictions = denoise(inputs)
        for row, number in enumerate(list(asked)):
            try:
                asked[number] = drafts[number].making.send(predictions[row : row + 1])
            except StopIteration as done:
                chunks[number] = done.value
                del asked[number]
    return [chunks[number] for number in range(len(drafts))]
