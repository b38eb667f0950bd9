"""Why the arm is not, or no longer, following a source: every stop has one of these names."""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """The name goes into messages, the value is said to people."""

    NONE = "following"
    NOT_SELECTED = "no source was selected yet"
    AWAITING_COMMAND = "waiting for the source's first command"
    AT_HOME = "the pusher is at home"
    HOLD_REQUESTED = "hold was requested"
    SOURCE_SWITCHED = "another source was selected"
    TELEOP_RELEASED = "the operator let go"
    DEADMAN_RELEASED = "the operator's deadman is not held"
    EMERGENCY_STOP = "emergency stop"
    COMMAND_SILENT = "the command stream went silent"
    CHUNK_EXHAUSTED = "the action chunk is exhausted"
    OBSERVATION_OLD = "the command was computed from too old an observation"
    OUT_OF_ORDER = "a command came that is older than the last one"
    STAMP_AHEAD = "a command is stamped in the future: check the clock of its sender"
    CHUNK_TOO_LONG = "an action chunk has too many actions, or reaches too far ahead"
    NOT_FINITE = "a command is malformed or not finite"
    TWO_PUBLISHERS = "more than one publisher commands the same source"
    TARGET_OUTSIDE = "a target is far outside the workspace"
    FIRST_TARGET_JUMP = "the first target is too far from the pusher"
    ARM_STATUS_OLD = "the arm's status is too old"
    OTHER_JOINTS = "the joint states are malformed, or of other joints than arm.model has"
    ARM_FROZEN = "the arm's reports do not change though it is commanded to move"
    ARM_OFF_COMMAND = "the arm is not where it was commanded to be"
    OUTSIDE_WORKSPACE = "the pusher is outside the workspace: move the arm inside by hand"
    NO_JOINT_MOTION = "no joint motion within the limits follows the tip"
    CLOCK_JUMPED = "the control clock went back"
    HELD_UP = "the guard was held up for so long that the arm stopped by itself"
