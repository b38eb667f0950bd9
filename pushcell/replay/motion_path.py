"""The robot's guard on a virtual clock, driving an arm that does exactly as it is told.

Where the guard ends a turn, the next command begins another one from where the recorded pusher is
then, so that a replay tells of every stop and not only of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig
from pushcell.errors import PlanningError
from pushcell.geometry import Array
from pushcell.motion.guard import MotionGuard, Source
from pushcell.motion.reasons import Reason


@dataclass(frozen=True)
class Stop:
    """The guard stopped the motion; a pause goes on by itself."""

    time_s: float
    source: str
    reason: str
    ended_turn: bool


class ReplayedMotion:
    """``tick`` at the guard's rate; ``on_command`` is told each joint target."""

    def __init__(self, cell: CellConfig, on_command: Callable[[Array], None]) -> None:
        self._cell, self._on_command = cell, on_command
        self._kinematics = ArmKinematics(cell)
        self._joints: Array | None = None
        self._pusher: Array | None = None
        self._guard: MotionGuard | None = None
        self._heard: ActionChunk | None = None
        self._reason = Reason.NONE
        self.stops: list[Stop] = []
        self.unreachable = 0

    @property
    def tip(self) -> Array | None:
        """(2,) where the tip is commanded to be [m], while a source drives."""
        driven = self._guard is not None and self._guard.state.source is not Source.HOLD
        return self._guard.tip if driven and self._guard is not None else None

    def on_pusher(self, pose: Array) -> None:
        """The recorded pusher (3,)."""
        if np.isfinite(pose).all():
            self._pusher = pose[:2]

    def on_chunk(self, now_s: float, chunk: ActionChunk, source: Source = Source.POLICY) -> None:
        """A chunk is published; one that is sent again says that its sender is alive."""
        is_new = self._heard is None or chunk.capture_s != self._heard.capture_s
        self._heard = chunk
        if self._driving(now_s, source, is_new) is not None:
            self._guard_now.on_chunk(now_s, chunk, source)

    def on_teleop(self, now_s: float, stamp_s: float, target: Array) -> None:
        """A person's target (2,); it is sent while the deadman is held."""
        if self._guard is None and not self._begin(now_s):
            return
        self._guard_now.on_deadman(now_s, True)
        self._guard_now.on_teleop(now_s, stamp_s, target)

    def rest(self) -> None:
        """Nothing is commanded any more, and that is no stop."""
        self._guard = None

    def tick(self, now_s: float) -> None:
        """Move on by one tick."""
        guard = self._guard
        if guard is None or self._joints is None:
            return
        guard.on_arm_status(now_s, self._joints)
        source = guard.state.source
        target = guard.tick(now_s)
        if target is not None:
            self._joints = target.position
            self._on_command(target.position)
        self._note(now_s, source, guard)
        if guard.state.source is Source.HOLD and guard.state.reason is not Reason.NOT_SELECTED:
            self._guard = None

    @property
    def _guard_now(self) -> MotionGuard:
        assert self._guard is not None
        return self._guard

    def _driving(self, now_s: float, source: Source, is_new: bool) -> MotionGuard | None:
        """The guard with this source selected; a turn begins with a new chunk."""
        if self._guard is None and not (is_new and self._begin(now_s)):
            return None
        guard = self._guard_now
        if guard.state.source is Source.HOLD and is_new:
            guard.select(source)
        return guard

    def _begin(self, now_s: float) -> bool:
        """A guard that meets the arm where the recorded pusher is."""
        if self._pusher is None:
            return False
        posture = self._kinematics.pusher_posture(self._pusher)
        try:
            if self._joints is None:
                self._joints = self._kinematics.home_joints(self._pusher)
            else:
                self._joints = self._kinematics.follow(posture, self._joints)
        except PlanningError:
            self.unreachable += 1
            return False
        guard = MotionGuard(self._cell, self._kinematics, require_deadman=False)
        guard.on_arm_status(now_s, self._joints)
        guard.tick(now_s)
        guard.emergency_stop.release()
        self._guard, self._reason = guard, Reason.NONE
        return True

    def _note(self, now_s: float, source: Source, guard: MotionGuard) -> None:
        reason, ended = guard.state.reason, guard.state.source is Source.HOLD
        quiet = (Reason.NONE, Reason.NOT_SELECTED, Reason.AWAITING_COMMAND)
        if reason is not self._reason and reason not in quiet:
            who = source.value if source is not Source.HOLD else "policy"
            self.stops.append(Stop(now_s, who, reason.value, ended))
        self._reason = reason
