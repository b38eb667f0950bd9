"""The guard between every source of motion and the arm: pure logic, one call a tick.

It denies by default. Only the selected source moves the arm, only while its commands keep
coming and the operator agrees, and every end of a motion is a jerk-limited stop with a named
reason. A person's teleoperation takes over at once; letting go returns to hold, never to the
policy. Times are of one steady clock [s].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.arm.joint_names import in_order
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig
from pushcell.geometry import Array
from pushcell.motion.commanded import CommandedArm, JointTarget
from pushcell.motion.deadman import Deadman
from pushcell.motion.emergency_stop import EmergencyStop
from pushcell.motion.reasons import Reason
from pushcell.motion.sources import (
    ChunkSource,
    Halt,
    HomeSource,
    MotionSource,
    Reference,
    TeleopSource,
)
from pushcell.timing import is_older


class Source(str, Enum):
    """Who may move the arm."""

    HOLD = "hold"
    HOME = "home"
    TELEOP = "teleop"
    POLICY = "policy"
    REPLAY = "replay"


class Phase(str, Enum):
    """What the arm is doing."""

    NO_ARM = "no_arm"
    STOPPED = "stopped"  # by the emergency stop
    HOLDING = "holding"
    MOVING = "moving"
    STOPPING = "stopping"


@dataclass(frozen=True)
class MotionState:
    """What the guard is doing, and why; how often a person took over from the policy."""

    source: Source
    phase: Phase
    reason: Reason
    interventions: int = 0


class MotionGuard:
    """Holds the commanded motion of one arm."""

    def __init__(
        self, cell: CellConfig, kinematics: ArmKinematics, require_deadman: bool = True
    ) -> None:
        self._cell = cell
        self._kinematics = kinematics
        self._require_deadman = require_deadman
        self._teleop = TeleopSource(cell.motion, cell.workspace.polygon)
        self._chunks = {
            source: ChunkSource(cell.motion, cell.workspace.polygon)
            for source in (Source.POLICY, Source.REPLAY)
        }
        self._sources: dict[Source, MotionSource] = {
            Source.HOME: HomeSource(cell.motion, np.array(cell.task.pusher_home_m)),
            Source.TELEOP: self._teleop,
            **self._chunks,
        }
        self._arm: CommandedArm | None = None
        self._status_s = -np.inf
        self._q_measured = np.zeros(len(kinematics.joint_names))
        self._other_joints = False
        self._deadman = Deadman(cell.motion.deadman_s)
        self._publishers: dict[Source, int] = {}
        self._ticked_s = -np.inf
        self._settling = False
        self._in_turn = False  # at the end of the last tick
        self.emergency_stop = EmergencyStop()
        self.state = MotionState(Source.HOLD, Phase.NO_ARM, Reason.ARM_STATUS_OLD)

    @property
    def tip(self) -> Array | None:
        """(2,) where the tip is commanded to be [m]; None while there is no arm."""
        return None if self._arm is None else self._arm.tip

    @property
    def unsolved(self) -> int:
        """How often the filter found no motion and braked instead, since the arm was met."""
        return 0 if self._arm is None else self._arm.unsolved

    # What comes in

    def select(self, source: Source) -> Reason | None:
        """Let a source move the arm, from rest; returns the reason where that may not be."""
        if source is Source.HOLD:
            self._end_turn(Reason.HOLD_REQUESTED)
            return None
        if self._arm is None:
            return self.state.reason
        forbidden = self._forbidden(self._ticked_s, source)
        if forbidden is None:
            self._sources[source].begin()
            # A person takes over in full motion, anything else after a stop.
            self._settling = source is not Source.TELEOP and not self._arm.still
            self.state = replace(self.state, source=source, reason=Reason.AWAITING_COMMAND)
        return forbidden

    def on_arm_status(
        self, now_s: float, q_measured: Array, names: Sequence[str] | None = None
    ) -> None:
        """The arm reported its joints [rad], by their names in any order, or from the base on.

        A malformed report, or one of other joints, is as good as none.
        """
        joints = self._kinematics.joint_names
        ordered = in_order(joints, joints if names is None else names, q_measured)
        self._other_joints = ordered is None
        if ordered is not None and np.isfinite(ordered).all():
            self._status_s, self._q_measured = now_s, ordered

    def on_deadman(self, now_s: float, held: bool) -> None:
        """The operator holds the deadman, or let go; the next tick sees that whoever holds it."""
        self._deadman.hear(now_s, held)

    def on_publishers(self, source: Source, count: int) -> None:
        """How many publishers there are for a source's commands."""
        self._publishers[source] = count

    def on_chunk(self, now_s: float, chunk: ActionChunk, source: Source = Source.POLICY) -> None:
        """The policy, or a replay, sent a chunk."""
        if self.state.source is source and self._arm is not None:
            self._obey(self._chunks[source].on_chunk(now_s, chunk, self._arm.tip))

    def on_malformed(self, source: Source) -> None:
        """A source sent something that is no command at all."""
        if self.state.source is source:
            self._end_turn(Reason.NOT_FINITE)

    def on_teleop(self, now_s: float, stamp_s: float, target: Array) -> None:
        """A person gave a target (2,) [m]; with the deadman held that takes over at once."""
        if self._arm is None or not self._deadman.is_held(now_s):
            return
        if self.state.source is not Source.TELEOP:
            took_over = self.state.source in self._chunks
            if self.select(Source.TELEOP) is not None:
                return
            count = self.state.interventions + took_over
            self.state = replace(self.state, interventions=count)
        self._obey(self._teleop.on_target(now_s, stamp_s, target, self._arm.tip))

    # What goes out

    def tick(self, now_s: float) -> JointTarget | None:
        """Move the commanded motion one tick; None while there is no arm to command."""
        if now_s < self._ticked_s:
            # All that was heard before is of another time.
            self._status_s = -np.inf
            self._deadman.forget()
            self._end_turn(Reason.CLOCK_JUMPED)
        if self._held_up(now_s):
            self._end_turn(Reason.HELD_UP)
        self._ticked_s = now_s
        self._deadman.ticked()
        self._meet_arm(now_s)
        self._in_turn = False
        if self._arm is None:
            return None
        answer = self._answer(now_s, self._arm)
        reference = answer if isinstance(answer, Reference) else None
        limits = self._sources.get(self.state.source, self._teleop).limits
        target = self._arm.move(reference, limits)
        self._obey(answer)
        self.state = replace(self.state, phase=self._phase(reference, self._arm))
        self._in_turn = self.state.source is not Source.HOLD
        return target

    def _held_up(self, now_s: float) -> bool:
        """Whether in a turn no command went out for so long that the driver has stopped the joints.

        It begins to stop them a tick after `ArmConfig.command_silence_s`. The guard brakes from
        what it has commanded: whether the joints rest, or time alone has jumped, it cannot know.
        """
        silence_s = self._cell.arm.command_silence_s + self._cell.motion.tick_s
        return self._in_turn and is_older(now_s, self._ticked_s, silence_s)

    def _meet_arm(self, now_s: float) -> None:
        """Begin with a new arm from where it is; stop a lost one, then forget where it was."""
        lost = is_older(now_s, self._status_s, self._cell.motion.arm_status_age_s)
        if lost:
            self._end_turn(Reason.OTHER_JOINTS if self._other_joints else Reason.ARM_STATUS_OLD)
        if self._arm is None:
            if not lost:
                self._begin(CommandedArm(self._cell, self._kinematics, self._q_measured))
        elif self._arm.still and (lost or self._left_behind(self._arm)):
            self._arm = None
            self.state = replace(self.state, phase=Phase.NO_ARM)

    def _left_behind(self, arm: CommandedArm) -> bool:
        """Whether an arm that is to hold is somewhere else, moved by hand or by its own brakes."""
        holds = self.state.source is Source.HOLD
        return holds and arm.problem(self._q_measured) is Reason.ARM_OFF_COMMAND

    def _begin(self, arm: CommandedArm) -> None:
        if arm.inside_workspace:
            self._arm = arm
            self._end_turn(Reason.NOT_SELECTED)
        else:
            self._end_turn(Reason.OUTSIDE_WORKSPACE)

    def _answer(self, now_s: float, arm: CommandedArm) -> Reference | Halt:
        """What to do in this tick: the strongest objection, else the source's own wish."""
        source = self.state.source
        if source is Source.HOLD:
            return Halt(self.state.reason, ends_turn=True)
        problem = self._forbidden(now_s, source) or arm.problem(self._q_measured)
        if problem is not None:
            return Halt(problem, ends_turn=True)
        self._settling = self._settling and not arm.still
        if self._settling:
            return Halt(Reason.SOURCE_SWITCHED, ends_turn=False)
        return self._sources[source].reference(now_s, arm.tip)

    def _forbidden(self, now_s: float, source: Source) -> Reason | None:
        """Why a source may not move the arm now, whatever it commands."""
        if self.emergency_stop.engaged:
            return Reason.EMERGENCY_STOP
        if self._publishers.get(source, 1) > 1:
            return Reason.TWO_PUBLISHERS
        if (self._require_deadman or source is Source.TELEOP) and not self._deadman.is_held(now_s):
            return Reason.DEADMAN_RELEASED
        return None

    def _obey(self, answer: Reference | Halt | None) -> None:
        """Take over an answer's reason; a halt may end the source's turn."""
        if isinstance(answer, Reference):
            self.state = replace(self.state, reason=Reason.NONE)
        elif answer is not None and answer.ends_turn:
            self._end_turn(answer.reason)
        elif answer is not None:
            self.state = replace(self.state, reason=answer.reason)

    def _end_turn(self, reason: Reason) -> None:
        self.state = replace(self.state, source=Source.HOLD, reason=reason)

    def _phase(self, reference: Reference | None, arm: CommandedArm) -> Phase:
        if reference is not None:
            return Phase.MOVING
        if not arm.still:
            return Phase.STOPPING
        return Phase.STOPPED if self.emergency_stop.engaged else Phase.HOLDING
