"""Ranges of values, fitted once and then frozen with the weights they were trained with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pushcell.errors import TrainingError

LOW, HIGH = 0, 1


class LinearNormalizer(nn.Module):
    """Maps each of N components from its [low, high] to [-1, 1] and back."""

    bounds: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("bounds", torch.tensor([[-1.0], [1.0]]).repeat(1, size))

    def fit(
        self, values: Tensor, names: Sequence[str], data_set: str, outliers: float = 0.0
    ) -> None:
        """Take the extremes of values (..., N), leaving out a part of them at either end.

        Raises TrainingError naming what does not vary.
        """
        rows = values.reshape(-1, values.shape[-1])
        left_out = int(outliers * (len(rows) - 1))
        low, high = (rows.kthvalue(k, 0) for k in (1 + left_out, len(rows) - left_out))
        bounds = torch.stack([low.values, high.values])
        for name, least, most in zip(names, *bounds.tolist(), strict=True):
            if not most - least > 1e-6 * max(1.0, abs(least), abs(most)):
                raise TrainingError(
                    f"{name} is {least:g} throughout data set {data_set!r}, so it has no range: "
                    "name another data.normaliser or, if it is a feature, leave it out"
                )
        self.bounds.copy_(bounds)

    def normalise(self, values: Tensor) -> Tensor:
        """(..., N) to about [-1, 1]."""
        low, high = self.bounds[LOW], self.bounds[HIGH]
        return (values - low) * (2 / (high - low)) - 1

    def restore(self, values: Tensor) -> Tensor:
        """The inverse of ``normalise``."""
        low, high = self.bounds[LOW], self.bounds[HIGH]
        return (values + 1) * ((high - low) / 2) + low
