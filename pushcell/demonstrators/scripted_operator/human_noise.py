"""Human noise: what makes a person's hand differ from a machine's; all from one generator."""

from __future__ import annotations

import math

import numpy as np

from pushcell.demonstrators.scripted_operator.settings import ScriptedOperatorSettings
from pushcell.geometry import Array


class HumanNoise:
    """Pauses, speeds, and noise that remembers its last value for a while."""

    def __init__(
        self, rng: np.random.Generator, settings: ScriptedOperatorSettings, period_s: float
    ) -> None:
        self._rng, self._settings = rng, settings
        self._memory = math.exp(-period_s / settings.noise_memory_s)
        self._noise = np.zeros(3)

    def step(self) -> None:
        """One period on."""
        fresh = self._rng.standard_normal(3)
        self._noise = self._memory * self._noise + math.sqrt(1 - self._memory**2) * fresh

    @property
    def aim_rad(self) -> float:
        """By which the hand aims aside just now."""
        return float(self._settings.aim_noise_rad * self._noise[0])

    @property
    def offset_m(self) -> Array:
        """(2,) by which the hand is off its way just now, at most twice the usual."""
        return self._settings.travel_noise_m * np.clip(self._noise[1:], -2, 2)

    def pause_s(self) -> float:
        """Before the next thing is begun; mostly none."""
        hesitates = self._rng.random() < self._settings.pause_chance
        return float(hesitates * self._rng.uniform(*self._settings.pause_s))

    def pace(self) -> float:
        """Factor on the speed of the next move."""
        return float(np.clip(1 + self._settings.speed_spread * self._rng.standard_normal(), 0.8, 1))
