"""Noise injection: the recorded action is the expert's, something else drives.

A policy that learns only from flawless demonstrations never sees how to recover. Here the pusher
is driven by the expert with noise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.controller import Controller
from pushcell.errors import ConfigError
from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.world import PushingWorld
from pushcell.task import Task

_PERIOD_S = 0.1


class LabellingController(Controller, Protocol):
    """A controller that keeps what the expert would have done at each call of ``act``."""

    labels: list[Array]  # (2,) each [m]


class NoisyExpert:
    """The expert with correlated noise on its actions."""

    def __init__(
        self,
        expert: Controller,
        cell: CellConfig,
        rng: np.random.Generator,
        sigma_m: float,
        memory_s: float = 0.5,
    ) -> None:
        """``sigma_m`` is the noise's standard deviation in x and in y, which keeps its value over
        about ``memory_s``. Raises ConfigError when they are negative."""
        if not (0 <= sigma_m < math.inf and 0 < memory_s < math.inf):
            raise ConfigError(
                f"noise needs sigma >= 0 m and memory > 0 s, not {sigma_m} m and {memory_s} s"
            )
        self._expert, self._rng, self._sigma_m = expert, rng, sigma_m
        self._kept = math.exp(-_PERIOD_S / memory_s)
        self._workspace = cell.workspace.polygon.inset(cell.workspace.margin_m)
        self.reset()

    def reset(self) -> None:
        """A new trial begins, at first without noise; the generator goes on."""
        self._expert.reset()
        self._noise = np.zeros(2)
        self.labels: list[Array] = []

    @property
    def done(self) -> bool:
        """Whether the expert has nothing left to do."""
        return self._expert.done

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        """(H, 2) the expert's chunk [m] moved by the noise, inside the workspace."""
        clean = self._expert.act(time_s, slider, pusher)
        fresh = self._sigma_m * self._rng.standard_normal(2)
        self._noise = self._kept * self._noise + math.sqrt(1 - self._kept**2) * fresh
        self.labels.append(clean[0])
        return np.array([self._workspace.nearest(point) for point in clean + self._noise])


def run_labelled(
    world: PushingWorld, controller: LabellingController, task: Task, rate_hz: float = 10.0
) -> TrialResult:
    """A trial whose ``actions`` (N - 1, 2) are the expert's for each state that was visited."""
    result = run_closed_loop(world, controller, task, rate_hz)
    labels = np.array(controller.labels).reshape(-1, 2)
    return replace(result, actions=labels[: len(result.actions)])  # physics may fail after a label
