"""An arm on a link of its own: this one is where it was told to be, at once.

In the cell's file::

    link: {kind: plugin, driver: "ideal_arm:IdealArm", options: {rate_hz: 200.0, start_rad: [...]}}
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from pushcell.drivers.arm import ArmFault, ArmReport
from pushcell.geometry import Array


class IdealArm:
    """Implements `pushcell.drivers.arm.ArmDriver`."""

    def __init__(self, rate_hz: float, start_rad: Sequence[float]) -> None:
        self._period_s = 1.0 / rate_hz
        self._position = np.array(start_rad, dtype=float)
        self._due_s = time.monotonic()

    def __enter__(self) -> IdealArm:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    @property
    def waits_for(self) -> str | None:
        """It always takes commands."""
        return None

    def receive(self) -> ArmReport | ArmFault | None:
        """A report each period; its time is of the arm's own clock."""
        if time.monotonic() < self._due_s:
            return None
        self._due_s += self._period_s
        return ArmReport(self._due_s, self._position.copy(), velocity=np.zeros_like(self._position))

    def send(self, position: Array) -> None:
        """Be there."""
        self._position = np.array(position)
