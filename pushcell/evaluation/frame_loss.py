"""Frames that get lost between a sensor and the policy."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Frame = TypeVar("Frame")


class FrameLoss:
    """Of one trial: the first frame of a stream arrives, each later one is lost at random."""

    def __init__(self, probability: float, rng: np.random.Generator) -> None:
        self._probability, self._rng = probability, rng
        self._last: dict[str, object] = {}

    def last(self, stream: str, frame: Frame) -> Frame:
        """This frame of a stream where it arrives, else the last one that did."""
        first, lost = stream not in self._last, self._rng.random() < self._probability
        if first or not lost:
            self._last[stream] = frame
        return self._last[stream]  # type: ignore[return-value]
