"""From a raw stick to a velocity on the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushcell.cameras.calibrated import active_pose
from pushcell.cameras.table_projection import picture_axes
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array, Pose


def shaped(stick: Array, dead_zone: float, expo: float) -> Array:
    """A stick (2,) after dead zone and curve; its direction stays, its length is in [0, 1].

    The dead zone is a disc, so that a stick pushed straight does not stick to an axis. ``expo``
    mixes in the third power: 0 is linear, 1 the finest near the middle; full stick stays full.
    """
    length = float(np.linalg.norm(stick))
    if not np.isfinite(length) or length <= dead_zone:
        return np.zeros(2)
    share = min(1.0, (length - dead_zone) / (1.0 - dead_zone))
    return stick / length * ((1.0 - expo) * share + expo * share**3)


@dataclass(frozen=True, eq=False)
class StickSpeed:
    """How fast a stick drives, and in which direction of the base frame."""

    full_m_s: float
    slow: float
    fast: float
    limit_m_s: float
    axes: Array  # (2, 2); columns: right and up of the picture, in the base frame

    @classmethod
    def of(cls, cell: CellConfig) -> StickSpeed:
        """As a cell is configured: a stick moves the pusher as it is seen in the picture."""
        teleop = cell.teleop
        return cls(
            teleop.full_stick_m_s,
            teleop.slow_factor,
            teleop.fast_factor,
            cell.motion.teleop.speed_m_s,
            picture_axes(Pose.from_matrix(active_pose(cell, teleop.camera))),
        )

    def velocity(self, stick: Array, slow: bool, fast: bool) -> Array:
        """(2,) [m/s] in the base frame of a shaped stick (2,): right, up."""
        factor = (self.slow if slow else 1.0) * (self.fast if fast else 1.0)
        wanted = self.axes @ stick * self.full_m_s * factor
        speed = float(np.linalg.norm(wanted))
        return wanted if speed <= self.limit_m_s else wanted * (self.limit_m_s / speed)
