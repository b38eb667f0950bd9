"""The sources of motion: each checks its own stream and says where the tip shall be now.

A source answers a tick with a `Reference` to follow or a `Halt` with its reason. A halt that
ends the turn needs the source to be selected anew; any other is a pause of the same turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pushcell.action_chunk import MOST_ACTIONS, ActionChunk
from pushcell.config.motion import MotionConfig, MotionLimits
from pushcell.geometry import Array, ConvexPolygon
from pushcell.motion.filter import PREVIEW_S
from pushcell.motion.reasons import Reason
from pushcell.timing import is_older

_AT_HOME_M = 1e-3
# Two clocks are not read at one moment; what is stamped later than that is a fault of a clock.
_STAMP_AHEAD_S = 0.05
# No policy looks farther ahead; whoever does drives on, blindly, for as long.
_CHUNK_AHEAD_S = 10.0
# Stamps become seconds by a rounding.
_SAME_TIME_S = 1e-6


@dataclass(frozen=True)
class Reference:
    """Where the tip shall be (2,) [m], and how fast (2,) [m/s], `PREVIEW_S` after the tick."""

    position: Array
    velocity: Array


@dataclass(frozen=True)
class Halt:
    """A source's answer when it gives no reference: the reason, and whether its turn ends."""

    reason: Reason
    ends_turn: bool


_AWAITING = Halt(Reason.AWAITING_COMMAND, ends_turn=False)


class MotionSource(Protocol):
    """What the guard asks of every source."""

    limits: MotionLimits

    def begin(self) -> None:
        """A new turn: forget what was commanded before."""

    def reference(self, now_s: float, tip: Array) -> Reference | Halt:
        """What to do now, with the tip commanded to (2,) [m]."""


class HomeSource:
    """Straight to the pusher's home."""

    def __init__(self, motion: MotionConfig, home: Array) -> None:
        self.limits = motion.policy
        self._home = home

    def begin(self) -> None:
        """Start a new turn; this source keeps no state."""

    def reference(self, now_s: float, tip: Array) -> Reference | Halt:
        """Home, until the tip is there."""
        if np.linalg.norm(self._home - tip) < _AT_HOME_M:
            return Halt(Reason.AT_HOME, ends_turn=True)
        return Reference(self._home, np.zeros(2))


class ChunkSource:
    """Timed chunks, from a policy or from a replayed episode."""

    def __init__(self, motion: MotionConfig, workspace: ConvexPolygon) -> None:
        self.limits = motion.policy
        self._motion = motion
        self._workspace = workspace
        self.begin()

    def begin(self) -> None:
        """Wait for a first chunk."""
        self._chunk: ActionChunk | None = None
        self._taken: ActionChunk | None = None
        self._pause = _AWAITING
        self._capture_s = -np.inf
        self._heard_s = -np.inf

    def on_chunk(self, now_s: float, chunk: ActionChunk, tip: Array) -> Halt | None:
        """Take a chunk; the same again, or one of a newer capture, shows that its sender lives.

        What differs from the last one is as old as its capture, also where that is the same.
        """
        again = self._taken is not None and _same(chunk, self._taken)
        if again or chunk.capture_s > self._capture_s:
            self._heard_s = now_s
        if chunk.capture_s < self._capture_s:
            return Halt(Reason.OUT_OF_ORDER, ends_turn=True)
        if chunk.capture_s - now_s > _STAMP_AHEAD_S:
            return Halt(Reason.STAMP_AHEAD, ends_turn=True)
        if len(chunk.times_s) > MOST_ACTIONS or chunk.end_s - now_s > _CHUNK_AHEAD_S:
            return Halt(Reason.CHUNK_TOO_LONG, ends_turn=True)
        if _far_outside(chunk.positions, self._workspace, self._motion):
            return Halt(Reason.TARGET_OUTSIDE, ends_turn=True)
        if not again:
            if is_older(now_s, chunk.capture_s, self._motion.observation_age_s):
                # The one before still lasts, or a fresher one may be waited for.
                self._pause = Halt(Reason.OBSERVATION_OLD, ends_turn=False)
                return self._pause
            self._capture_s, self._taken = chunk.capture_s, chunk
        if self._chunk is not None:
            self._chunk = chunk.starting_from(now_s, self._chunk.sample(now_s)[0])
        elif now_s <= chunk.end_s:
            if _jumps(chunk.sample(now_s)[0], tip, self._motion):
                return Halt(Reason.FIRST_TARGET_JUMP, ends_turn=True)
            self._chunk = chunk.starting_from(now_s, tip)
        return None

    def reference(self, now_s: float, tip: Array) -> Reference | Halt:
        """The chunk's point of now."""
        if self._chunk is None:
            return self._pause
        if is_older(now_s, self._heard_s, self._motion.command_silence_s):
            return Halt(Reason.COMMAND_SILENT, ends_turn=True)
        if now_s > self._chunk.end_s:
            # The next chunk begins from standstill, through the jump gate again.
            self._chunk, self._pause = None, Halt(Reason.CHUNK_EXHAUSTED, ends_turn=False)
            return self._pause
        return Reference(*self._chunk.sample(now_s + self._motion.tick_s + PREVIEW_S))


class TeleopSource:
    """A person's targets, which come one at a time."""

    def __init__(self, motion: MotionConfig, workspace: ConvexPolygon) -> None:
        self.limits = motion.teleop
        self._motion = motion
        self._workspace = workspace
        self.begin()

    def begin(self) -> None:
        """Wait for a first target."""
        self._target: Array | None = None
        self._stamp_s = -np.inf
        self._heard_s = -np.inf

    def on_target(self, now_s: float, stamp_s: float, target: Array, tip: Array) -> Halt | None:
        """Take a target (2,) [m] and the time at which the person gave it."""
        self._heard_s = now_s
        if stamp_s < self._stamp_s:
            return Halt(Reason.OUT_OF_ORDER, ends_turn=True)
        if stamp_s - now_s > _STAMP_AHEAD_S:
            return Halt(Reason.STAMP_AHEAD, ends_turn=True)
        if is_older(now_s, stamp_s, self._motion.observation_age_s):
            return Halt(Reason.OBSERVATION_OLD, ends_turn=True)
        if not np.isfinite(target).all():
            return Halt(Reason.NOT_FINITE, ends_turn=True)
        if _far_outside(target, self._workspace, self._motion):
            return Halt(Reason.TARGET_OUTSIDE, ends_turn=True)
        if self._target is None and _jumps(target, tip, self._motion):
            return Halt(Reason.FIRST_TARGET_JUMP, ends_turn=True)
        self._target, self._stamp_s = target, stamp_s
        return None

    def reference(self, now_s: float, tip: Array) -> Reference | Halt:
        """The last target, at rest: where the person holds still, so does the pusher."""
        if self._target is None:
            return _AWAITING
        if is_older(now_s, self._heard_s, self._motion.command_silence_s):
            return Halt(Reason.TELEOP_RELEASED, ends_turn=True)
        return Reference(self._target, np.zeros(2))


def _same(chunk: ActionChunk, other: ActionChunk) -> bool:
    """Whether one chunk is the other, sent again."""
    if len(chunk.times_s) != len(other.times_s) or chunk.capture_s != other.capture_s:
        return False
    late_s = np.abs(chunk.times_s - other.times_s).max()
    return bool(late_s < _SAME_TIME_S and (chunk.positions == other.positions).all())


def _far_outside(targets: Array, workspace: ConvexPolygon, motion: MotionConfig) -> bool:
    return bool(np.max(workspace.excess(targets)) > motion.target_max_outside_m)


def _jumps(target: Array, tip: Array, motion: MotionConfig) -> bool:
    return float(np.linalg.norm(target - tip)) > motion.first_target_max_jump_m
