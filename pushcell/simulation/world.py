"""What every simulated world offers, whatever its physics."""

from __future__ import annotations

from typing import Protocol

from numpy.typing import ArrayLike

from pushcell.geometry import Array, PlanarPose


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
