"""Drives the arm from pose to pose of a calibration: slowly, at rest in between, never unasked.

Silence stops it: a driver whose commands stop coming brakes the joints by itself.
"""

from __future__ import annotations

import numpy as np

from calibration.joint_drive import JointDrive
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array
from pushcell.motion.deadman import Deadman
from pushcell.motion.emergency_stop import EmergencyStop

_REST_S, _REST_RAD_S = 0.3, 1e-3
_SETTLING_S = 0.1


class ArmDrive:
    """One arm; times are of one control clock [s]. Nothing moves before the stop is released.

    ``commanded`` and ``measured`` are (time, joints (n,)) while it drove, times rising.
    """

    def __init__(self, cell: CellConfig, require_deadman: bool) -> None:
        self._arm, self._share, self._within_rad = cell.arm, 0.0, 0.0
        self._deadman = Deadman(cell.motion.deadman_s) if require_deadman else None
        self.emergency_stop = EmergencyStop()
        self.joints: Array | None = None
        self.commanded: list[tuple[float, Array]] = []
        self.measured: list[tuple[float, Array]] = []
        self._goal: Array | None = None
        self._drive: tuple[float, JointDrive] | None = None
        self._moved_s = -np.inf

    def on_joints(self, now_s: float, position: Array, velocity: Array) -> None:
        """The arm reports (n,) [rad], [rad/s]."""
        if self.joints is None or np.abs(velocity).max() > _REST_RAD_S:
            self._moved_s = now_s
        self.joints = position
        if self._drive is not None:
            _append(self.measured, now_s, position)

    def on_deadman(self, now_s: float, held: bool) -> None:
        """The operator says whether it is held."""
        if self._deadman is not None:
            self._deadman.hear(now_s, held)

    def go(self, goal: Array, share: float, within_rad: float) -> None:
        """Go to joints (n,) [rad] at a share of the joints' limits, from wherever it rests.

        A drive that was halted or held up ends elsewhere: until all are so near, it goes again.
        """
        self._goal, self._share, self._within_rad = goal, share, within_rad

    def arrived(self, now_s: float) -> bool:
        """Whether the arm rests at the goal of `go`; ``now_s`` is the time now [s]."""
        assert self.joints is not None
        assert self._goal is not None
        return self._rests(now_s) and np.abs(self.joints - self._goal).max() < self._within_rad

    @property
    def still_since_s(self) -> float:
        """Since when it rests, and what swung with it has settled: pictures are good from then."""
        return self._moved_s + _SETTLING_S

    def halted(self, now_s: float) -> str | None:
        """Why nothing may move, in words."""
        if self.emergency_stop.cause is not None:
            return f"stopped: {self.emergency_stop.cause}; /safety/release lets it go on"
        if self._deadman is not None and not self._deadman.is_held(now_s):
            return "waits for the deadman"
        return None

    def tick(self, now_s: float) -> tuple[Array, Array] | None:
        """Positions (n,) [rad] and velocities [rad/s] to command now; None for silence."""
        if self._deadman is not None:
            self._deadman.ticked()
        if self.halted(now_s) is not None or self.joints is None or self._goal is None:
            self._drive = None
            return None
        if self._drive is None:
            if not self._rests(now_s) or self.arrived(now_s):
                return None
            self._drive = now_s, JointDrive(self._arm, self.joints, self._goal, self._share)
        began_s, drive = self._drive
        if now_s - began_s > drive.duration_s + _SETTLING_S:
            self._drive = None
            return None
        position, velocity = drive.at(now_s - began_s)
        if not _append(self.commanded, now_s, position):
            return None
        return position, velocity

    def _rests(self, now_s: float) -> bool:
        return now_s - self._moved_s > _REST_S


def _append(record: list[tuple[float, Array]], now_s: float, position: Array) -> bool:
    """False where time has not risen: a simulated clock ticks more slowly than the arm reports."""
    if record and now_s <= record[-1][0]:
        return False
    record.append((now_s, position))
    return True
