"""Where the slider shall lie at the start of each episode."""

from __future__ import annotations

import numpy as np

from pushcell.geometry import PlanarPose
from pushcell.task import Task


class StartPoses:
    """A start after the other; the same ones for the same seed."""

    def __init__(self, task: Task, seed: int) -> None:
        self._task = task
        self._seed = seed
        self.index = -1
        self.next()

    def next(self) -> PlanarPose:
        """Go on to the next start."""
        self.index += 1
        rng = np.random.default_rng([self._seed, self.index])
        self.wanted = self._task.sample_start(rng)
        return self.wanted
