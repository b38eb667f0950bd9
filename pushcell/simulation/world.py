"""What every simulated world offers, whatever its physics."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from pushcell.errors import PushcellError
from pushcell.geometry import Array, PlanarPose
from pushcell.task import Task

_TOUCHING_M = 1e-5


class PushingWorld(Protocol):
    """A slider on a table and a pusher that follows a position; base frame, SI units."""

    @property
    def time_s(self) -> float:
        """Simulated seconds since the last reset."""

    @property
    def slider_pose(self) -> PlanarPose:
        """The slider's true pose."""

    @property
    def pusher_position(self) -> Array:
        """(2,) where the pusher's tip really is [m]."""

    def reset(self, slider: PlanarPose, pusher: ArrayLike) -> None:
        """Put slider and pusher (2,) at rest at these poses; time starts again at 0."""

    def advance(self, pusher_target: ArrayLike, duration_s: float) -> None:
        """Let the pusher move evenly to a position (2,) [m] over a duration, pushing what is there.

        The straight line from the last target is followed at constant speed.
        """


def require_apart(task: Task, slider: PlanarPose, pusher: ArrayLike) -> None:
    """Raise PushcellError when slider and pusher (2,) overlap at these poses."""
    x, y = np.asarray(pusher, dtype=float)
    gap = float(task.shape.distance(slider, np.array([x, y]))) - task.pusher_radius_m
    if gap < -_TOUCHING_M:
        raise PushcellError(
            f"the pusher at ({x:.4f}, {y:.4f}) m and the slider at {slider} overlap by "
            f"{-gap * 1e3:.2f} mm: start with the pusher clear of the slider"
        )
