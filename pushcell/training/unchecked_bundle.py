"""A bundle before it is written: its graphs, and what they must compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy_server.bundle_format import Manifest
from policy_server.sampler import InpaintingGuide
from pushcell.training.data_module import DataModule

Reference = Callable[[Mapping[str, NDArray], NDArray, InpaintingGuide | None], NDArray]
"""(1, H, 2) normalised chunk of the encoder's inputs, noise (1, H, 2) and a guide."""


@dataclass(frozen=True)
class UncheckedBundle:
    """Manifest and files of a bundle; ``reference`` makes the same chunks in PyTorch.

    ``data_module`` has the recorded frames on which both are compared.
    """

    manifest: Manifest
    contents: dict[str, bytes]
    reference: Reference
    data_module: DataModule


def committed_guide(noise: NDArray, committed: int) -> InpaintingGuide | None:
    """A guide whose first ``committed`` actions are known; None without any."""
    known = np.clip(noise[0] / 2, -1, 1)
    weights = np.zeros(len(known), np.float32)
    return InpaintingGuide(known, weights, clean=committed) if committed else None
