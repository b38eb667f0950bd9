"""What every demonstrator is, and every policy in a simulated trial."""

from __future__ import annotations

from typing import Protocol

from numpy.typing import ArrayLike

from pushcell.geometry import Array, PlanarPose


class Controller(Protocol):
    """What can push: from true poses to a chunk of pusher positions."""

    def reset(self) -> None:
        """A new trial begins."""

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        """(H, 2) pusher positions [m] at the next H periods."""
