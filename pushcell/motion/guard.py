"""The guard between every source of motion and the arm: pure logic, one call a tick.

It denies by default. Only the selected source moves the arm, only while its commands keep
coming, and every end of a motion is a jerk-limited stop with a named reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from policy_server.chunk import ActionChunk
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config import CellConfig
from pushcell.geometry import Array
from pushcell.motion.differential_ik import DifferentialIk
from pushcell.motion.filter import CommandFilter


class Source(str, Enum):
    """Who may move the arm."""

    HOLD = "hold"
    HOME = "home"
    POLICY = "policy"


class Phase(str, Enum):
    """What the arm is doing."""

    NO_ARM = "no_arm"
    HOLDING = "holding"
    MOVING = "moving"
    STOPPING = "stopping"


class Reason(str, Enum):
    """Why the arm is not, or no longer, following a source."""

    NONE = ""
    NOT_SELECTED = "no source selected"
    AWAITING_COMMAND = "waiting for the source's first command"
    AT_HOME = "arrived at home"
    HOLD_REQUESTED = "hold was requested"
    SOURCE_SWITCHED = "another source was selected"
    COMMAND_SILENT = "the command stream went silent"
    CHUNK_EXHAUSTED = "the action chunk is exhausted"
    FIRST_TARGET_JUMP = "the first target is too far from the pusher"
    OUT_OF_ORDER = "a chunk came that is older than the last one"
    ARM_STATUS_OLD = "the arm's status is too old"
    ARM_OFF_COMMAND = "the arm is not where it was commanded to be"
    OUTSIDE_WORKSPACE = "the pusher is outside the workspace: move the arm inside by hand"
    NO_JOINT_MOTION = "no joint motion within the limits follows the tip"


# Where the measured joints may be at most away from the commanded ones [rad].
_FOLLOWING_ERROR_RAD = 0.2
# How far the commanded joints' tip may trail behind the filter's [m].
_TIP_ERROR_M = 0.01
_AT_HOME_M = 1e-3


@dataclass(frozen=True)
class MotionState:
    """What the guard is doing, and why."""

    source: Source
    phase: Phase
    reason: Reason


@dataclass(frozen=True)
class JointTarget:
    """What goes to the arm: (7,) positions [rad] and velocities [rad/s]."""

    position: Array
    velocity: Array


class MotionGuard:
    """Holds the commanded motion; times are of one steady clock [s]."""

    def __init__(self, cell: CellConfig, kinematics: ArmKinematics) -> None:
        self._cell = cell
        self._kinematics = kinematics
        self._period_s = 1.0 / cell.motion.rate_hz
        self._workspace = cell.workspace.polygon.inset(cell.workspace.margin_m)
        self._home = np.array(cell.task.pusher_home_m)
        self._status_s = -np.inf
        self._q_measured = np.zeros(7)
        self._filter: CommandFilter | None = None
        self._ik: DifferentialIk | None = None
        self._chunk: ActionChunk | None = None
        self._last_capture_s = -np.inf
        self._heard_s = -np.inf
        self.state = MotionState(Source.HOLD, Phase.NO_ARM, Reason.ARM_STATUS_OLD)

    @property
    def tip(self) -> Array | None:
        """(2,) where the tip is commanded to be, once the arm is known."""
        return None if self._filter is None else self._filter.state.position

    def select(self, source: Source, reason: Reason = Reason.SOURCE_SWITCHED) -> bool:
        """Let a source move the arm; False, and nothing changes, while there is no arm."""
        if self._filter is None:
            return False
        self._chunk, self._last_capture_s = None, -np.inf
        waiting = {Source.POLICY: Reason.AWAITING_COMMAND, Source.HOME: Reason.NONE}
        phase = Phase.HOLDING if self._filter.state.still else Phase.STOPPING
        self.state = MotionState(source, phase, waiting.get(source, reason))
        return True

    def on_arm_status(self, now_s: float, q_measured: Array) -> None:
        """The arm reported its joints (7,) [rad]."""
        self._status_s, self._q_measured = now_s, q_measured

    def on_chunk(self, now_s: float, chunk: ActionChunk) -> None:
        """The policy sent a chunk; sending the same one again says that it is still alive."""
        if self.state.source is not Source.POLICY or self._filter is None:
            return
        self._heard_s = now_s
        if chunk.capture_s < self._last_capture_s:
            self._trip(Reason.OUT_OF_ORDER)
            return
        self._last_capture_s = chunk.capture_s
        tip = self._filter.state.position
        if self._chunk is None:
            if now_s > chunk.end_s:
                return
            jump = np.linalg.norm(chunk.sample(now_s)[0] - tip)
            if jump > self._cell.motion.first_target_max_jump_m:
                self._trip(Reason.FIRST_TARGET_JUMP)
                return
            before = tip
        else:
            before = self._chunk.sample(now_s)[0]
        self._chunk = chunk.starting_from(now_s, before)

    def tick(self, now_s: float) -> JointTarget | None:
        """Move the commanded motion one tick; None while there is no arm to command."""
        if now_s - self._status_s > self._cell.motion.arm_status_age_s:
            self._lose_arm()
        elif self._filter is None:
            self._find_arm()
        if self._filter is None or self._ik is None:
            return None
        self._check(now_s)
        self._move(now_s, self._filter)
        if not self._ik.step(self._filter.state):
            self._trip(Reason.NO_JOINT_MOTION)
        return JointTarget(self._ik.q, self._ik.qd)

    def _find_arm(self) -> None:
        tip = self._kinematics.tip_pose(self._q_measured).translation[:2]
        if not self._workspace.contains(tip):
            self.state = MotionState(Source.HOLD, Phase.NO_ARM, Reason.OUTSIDE_WORKSPACE)
            return
        self._filter = CommandFilter(self._workspace, self._cell.motion.stop, self._period_s, tip)
        self._ik = DifferentialIk(
            self._kinematics, self._cell.arm, self._period_s, self._q_measured
        )
        self.state = MotionState(Source.HOLD, Phase.HOLDING, Reason.NOT_SELECTED)

    def _lose_arm(self) -> None:
        """Stop; once still, forget the commanded state, so that a later arm is met where it is."""
        if self._filter is None or self._filter.state.still:
            self._filter = self._ik = None
            self.state = MotionState(Source.HOLD, Phase.NO_ARM, Reason.ARM_STATUS_OLD)
        elif self.state.reason is not Reason.ARM_STATUS_OLD:
            self._trip(Reason.ARM_STATUS_OLD)

    def _check(self, now_s: float) -> None:
        """Trip on anything that forbids to go on."""
        assert self._filter is not None
        assert self._ik is not None
        if self.state.source is Source.HOLD:
            return
        off_command = np.abs(self._ik.q - self._q_measured).max()
        trailing = np.linalg.norm(self._ik.tip().translation[:2] - self._filter.state.position)
        if off_command > _FOLLOWING_ERROR_RAD:
            self._trip(Reason.ARM_OFF_COMMAND)
        elif trailing > _TIP_ERROR_M:
            self._trip(Reason.NO_JOINT_MOTION)
        elif self._chunk is not None and self._silent(now_s):
            self._trip(Reason.COMMAND_SILENT)

    def _silent(self, now_s: float) -> bool:
        return now_s - self._heard_s > self._cell.motion.command_silence_s

    def _move(self, now_s: float, command: CommandFilter) -> None:
        reference = self._reference(now_s, command)
        if reference is None:
            command.brake()
            if command.state.still and self.state.phase is not Phase.HOLDING:
                self.state = MotionState(self.state.source, Phase.HOLDING, self.state.reason)
            return
        command.follow(*reference, self._cell.motion.policy)
        self.state = MotionState(self.state.source, Phase.MOVING, Reason.NONE)

    def _reference(self, now_s: float, command: CommandFilter) -> tuple[Array, Array] | None:
        """Target position and velocity from the selected source; None where it must stop."""
        if self.state.source is Source.HOME:
            away = float(np.linalg.norm(self._home - command.state.position))
            if away < _AT_HOME_M and command.state.still:
                self.state = MotionState(Source.HOLD, Phase.HOLDING, Reason.AT_HOME)
                return None
            return self._home, np.zeros(2)
        if self._chunk is None:
            return None
        if now_s > self._chunk.end_s:
            self._chunk = None
            self.state = MotionState(Source.POLICY, Phase.STOPPING, Reason.CHUNK_EXHAUSTED)
            return None
        return self._chunk.sample(now_s)

    def _trip(self, reason: Reason) -> None:
        """End the source's turn; what is moving comes to a stop."""
        self._chunk = None
        self.state = MotionState(Source.HOLD, Phase.STOPPING, reason)
