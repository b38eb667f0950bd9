"""A world whose centre of mass is shifted, seen by those who are not told of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.shifts import Shifts, shifted_cell
from pushcell.simulation.world import PushingWorld

CENTRE_OF_MASS = "centre_of_mass"


def told_cell(cell: CellConfig, shifts: Shifts) -> CellConfig:
    """The shifted cell as its cameras and its policy know it: the centre of mass cannot be seen."""
    seen = {name: level for name, level in shifts.levels.items() if name != CENTRE_OF_MASS}
    return shifted_cell(cell, Shifts(seen))


class OutlineFrameWorld(PushingWorld):
    """A world whose slider's poses are those of its outline, wherever its centre of mass is."""

    def __init__(self, world: PushingWorld, cell: CellConfig, shifted: CellConfig) -> None:
        """``world`` is that of the shifted cell."""
        moved = np.array(shifted.task.centre_of_mass_m) - cell.task.centre_of_mass_m
        self._world, self._outline_in_slider = world, PlanarPose.from_array([*-moved, 0.0])

    @property
    def time_s(self) -> float:
        """Simulated seconds since the last reset."""
        return self._world.time_s

    @property
    def slider_pose(self) -> PlanarPose:
        """The outline's true pose."""
        return self._world.slider_pose @ self._outline_in_slider

    @property
    def pusher_position(self) -> Array:
        """(2,) where the pusher's tip really is [m]."""
        return self._world.pusher_position

    def reset(self, slider: PlanarPose, pusher: ArrayLike) -> None:
        """Put the outline and the pusher (2,) at rest; time starts again at 0."""
        self._world.reset(slider @ self._outline_in_slider.inverse(), pusher)

    def advance(self, pusher_target: ArrayLike, duration_s: float) -> None:
        """Let the pusher move evenly to a position (2,) [m] over a duration."""
        self._world.advance(pusher_target, duration_s)
