"""The simulated arm under ros2_control: the controller that commands it, without its topics.

A forward position controller takes each command as it is; a joint trajectory controller goes from
where it last wanted to be to the newest point, in the time that this gives. Both keep the last
command for ever: to stop the arm is the commander's affair. Before the first one it is held.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pushcell.arm.joint_names import in_order
from pushcell.geometry import Array
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.drives import Drives


class SimulatedController:
    """Drives an `ArmCell`; ``joints`` are the controller's names for its joints, in order."""

    def __init__(self, world: ArmCell, joints: Sequence[str]) -> None:
        self.refused = 0
        self._world = world
        self._joints = joints
        self._drives = Drives(world)
        self._began_s = self._ends_s = world.time_s
        self._start: Array = world.joint_positions
        self._goal: Array = world.joint_positions

    def command(
        self, positions: Sequence[float], names: Sequence[str] | None = None, duration_s: float = 0
    ) -> None:
        """Positions [rad], by name or in the controller's order, to be reached in a time.

        What is malformed is ignored and counted, as a controller does.
        """
        names = self._joints if names is None else names
        goal = in_order(self._joints, names, positions)
        if goal is None or not np.isfinite(goal).all():
            self.refused += 1
            return
        self._start, self._goal = self._wanted(self._world.time_s), goal
        self._began_s, self._ends_s = self._world.time_s, self._world.time_s + duration_s

    def step(self) -> None:
        """Let one period of reports pass; raises ArmLinkError when the arm stops by itself."""
        self._drives.advance(self._wanted(self._world.time_s + self._drives.period_s))

    def _wanted(self, time_s: float) -> Array:
        if time_s >= self._ends_s:
            return self._goal
        share = (time_s - self._began_s) / (self._ends_s - self._began_s)
        return self._start + share * (self._goal - self._start)
