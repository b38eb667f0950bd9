"""A demonstration as a learner sees it: one row a step, evenly in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import EpisodeError

Array = NDArray[np.float64]
Images = Mapping[str, NDArray[np.uint8]]
_OF_SLIDER = ("slider", "goal")


@dataclass(frozen=True)
class Steps:
    """T steps of one episode; base frame, metres and radians.

    ``action`` is where the pusher is told to be at the next step. Where ``has_slider`` is not, its
    poses and its goal are not known, and NaN: one can look at such steps, but not learn of them.
    """

    rate_hz: float
    pusher: Array  # (T, 3) x, y, theta
    slider: Array  # (T, 3)
    action: Array  # (T, 2)
    goal: Array  # (3,) of the slider
    images: Images = field(default_factory=dict)  # (T, H, W, 3) a camera
    has_slider: bool = True

    def __post_init__(self) -> None:
        if not self.rate_hz > 0:
            raise EpisodeError(f"the rate of steps must be positive, not {self.rate_hz} Hz")
        count = len(self.pusher)
        shapes = {"pusher": (count, 3), "slider": (count, 3), "action": (count, 2), "goal": (3,)}
        for name, shape in shapes.items():
            values, known = getattr(self, name), self.has_slider or name not in _OF_SLIDER
            if values.shape != shape or (known and not np.isfinite(values).all()):
                raise EpisodeError(f"{name} must be finite and of shape {shape}: {values.shape}")
        for name, images in self.images.items():
            if images.shape != (count, *images.shape[1:3], 3) or images.dtype != np.uint8:
                raise EpisodeError(
                    f"images of camera {name!r} must be ({count}, H, W, 3) uint8, "
                    f"not {images.shape} {images.dtype}"
                )

    def __len__(self) -> int:
        return len(self.pusher)

    @property
    def duration_s(self) -> float:
        """From the first step to the last."""
        return (len(self) - 1) / self.rate_hz
