"""The source world with physics that differ from trial to trial and are never quite the model's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.geometry import PlanarPose
from pushcell.simulation.source_world import SourceWorld

_SPREAD_OF_C = 0.15
_SLIPS = (0.0, 0.09, 0.18)  # standard deviation of what a push adds, as a part of the way pushed
_LAGS = (0.0, 0.0, 0.15)  # part of its way that the pusher lacks at the end of a period


class PerturbedSourceWorld(SourceWorld):
    """A policy that has only seen exact physics is helpless where pushes slip and arms lag."""

    def __init__(self, cell: CellConfig) -> None:
        super().__init__(cell)
        self._usual_c = self._c
        self.perturb(np.random.default_rng(0))

    def perturb(self, rng: np.random.Generator) -> None:
        """Draw the physics of the next trial; slips are drawn from the generator as they come."""
        self._rng = rng
        self._c = self._usual_c * rng.uniform(1 - _SPREAD_OF_C, 1 + _SPREAD_OF_C)
        self._slip, self._lag = rng.choice(_SLIPS), rng.choice(_LAGS)

    def advance(self, pusher_target: ArrayLike, duration_s: float) -> None:
        """See SourceWorld; the slider comes to rest beside where it should."""
        before = self.slider_pose
        target = np.asarray(pusher_target, dtype=float)
        super().advance(target + self._lag * (self.pusher_position - target), duration_s)
        after = self.slider_pose
        way_m, turn_rad = after.distance_to(before)
        pushed_m = math.hypot(way_m, self._usual_c * turn_rad)
        if pushed_m == 0:
            return
        x, y, turn = self._slip * pushed_m * self._rng.standard_normal(3)
        moved = PlanarPose(after.x + x, after.y + y, after.theta + turn / self._usual_c)
        self.place(moved, self.pusher_position)
