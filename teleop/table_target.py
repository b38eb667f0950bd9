"""From a device's reading to the pusher's next target on the table."""

from __future__ import annotations

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.geometry import Array
from teleop.devices.reading import DeviceReading


class TableTarget:
    """Leads the pusher: a target that is never further ahead of the tip than ``teleop.lead_m``.

    So a press far from the pusher makes it travel there, and cannot jump; and what is let go of
    has little way left to go.
    """

    def __init__(self, cell: CellConfig) -> None:
        self._lead_m = cell.teleop.lead_m
        self._workspace = cell.workspace.polygon.inset(cell.workspace.margin_m)
        self._point: Array | None = None

    def begin(self) -> None:
        """The person let go: the next target starts at the tip."""
        self._point = None

    def follow(self, reading: DeviceReading, tip: Array, step_s: float) -> Array | None:
        """The target (2,) [m] with the tip at (2,) [m]; a velocity is held for ``step_s``."""
        if reading.target is not None:
            wanted = reading.target
        elif reading.velocity is not None:
            wanted = (tip if self._point is None else self._point) + reading.velocity * step_s
        else:
            return None
        ahead = self._workspace.nearest(wanted) - tip
        distance = float(np.linalg.norm(ahead))
        self._point = tip + ahead * min(1.0, self._lead_m / max(distance, self._lead_m))
        return self._point
