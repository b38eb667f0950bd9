"""Within what bounds the values lie that keep the arm safe, and which of them contradict others.

A value beyond its bounds is refused unless the cell's file names its key in ``allow_unsafe``.
Contradictions, and limits that the arm's own model does not allow, are refused always.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pushcell.config.arm import ArmConfig
from pushcell.config.motion import MotionConfig, MotionLimits, WorkspaceConfig
from pushcell.config.urdf import JointLimits, joint_limits
from pushcell.errors import ConfigError
from pushcell.geometry import ConvexPolygon

_REDUCED_SPEED = "reduced speed of a tool, ISO 10218-1"
_DRILLED = "chosen: {} times what the fault drill was run with"
# A joint that takes longer to stop from its highest speed cannot hold any stop [s].
_LONGEST_JOINT_STOP_S = 0.5
# A watchdog that expects a message more often than this many of its periods trips by chance.
_PERIODS = 2.0
_ONE_FOR_EACH_JOINT = (
    "arm.nominal_joints_rad",
    "arm.joint_velocity_limits_rad_s",
    "arm.joint_acceleration_limits_rad_s2",
    "arm.joint_jerk_limits_rad_s3",
    "arm.link.external_torque_limits_nm",
    "arm.link.joints",
)


class Cell(Protocol):
    """Of a cell's configuration what is looked at here by name."""

    @property
    def arm(self) -> ArmConfig:
        """The arm, its model and limits."""

    @property
    def workspace(self) -> WorkspaceConfig:
        """Where the pusher may be."""

    @property
    def motion(self) -> MotionConfig:
        """How the pusher moves."""

    @property
    def allow_unsafe(self) -> tuple[str, ...]:
        """Keys whose values may be beyond their bounds."""


@dataclass(frozen=True)
class Bound:
    """The bounds of one key; of a list of joints, those of each."""

    key: str
    least: float
    most: float
    why: str
    source: str


def _tip(section: str) -> list[Bound]:
    """Of the limits that targets of one kind of source are followed within."""
    key = f"motion.{section}"
    return [
        Bound(f"{key}.speed_m_s", 0.01, 0.25, "what it pushes cannot get away", _REDUCED_SPEED),
        Bound(f"{key}.acceleration_m_s2", 0.1, 5.0, "joints follow it", _DRILLED.format(5)),
        Bound(f"{key}.jerk_m_s3", 1.0, 100.0, "joints follow it", _DRILLED.format(10)),
    ]


BOUNDS = (
    Bound("motion.rate_hz", 50, 1000, "nothing is checked between two ticks", _DRILLED.format(0.5)),
    *_tip("policy"),
    *_tip("teleop"),
    Bound("motion.stop.acceleration_m_s2", 0.5, 10.0, "a stop is short", _DRILLED.format(5)),
    Bound("motion.stop.jerk_m_s3", 5.0, 400.0, "a stop is short", _DRILLED.format(10)),
    Bound(
        "motion.first_target_max_jump_m", 0.001, 0.1, "motion begins at the pusher",
        _DRILLED.format(2),
    ),
    Bound(
        "motion.target_max_outside_m", 0.001, 0.3, "a wrong frame is noticed", _DRILLED.format(3)
    ),
    Bound(
        "motion.following_error_rad", 0.005, 0.5, "an arm that is held up is noticed",
        _DRILLED.format(2.5),
    ),
    Bound(
        "motion.command_silence_s", 0.03, 0.5, "the arm drives on for so long", _DRILLED.format(5)
    ),
    Bound(
        "motion.observation_age_s", 0.02, 0.5, "the arm drives by what was so long ago",
        _DRILLED.format(3.3),
    ),
    Bound("motion.deadman_s", 0.05, 0.5, "the arm drives on for so long", _DRILLED.format(2.5)),
    Bound(
        "motion.arm_status_age_s", 0.01, 0.2, "the arm is not watched for so long",
        _DRILLED.format(4),
    ),
    Bound("teleop.full_stick_m_s", 0.001, 0.25, "the hand leads the arm", _REDUCED_SPEED),
    Bound(
        "teleop.lead_m", 0.001, 0.1, "so far it moves when the hand stops", _DRILLED.format(2.5)
    ),
    Bound("arm.status_rate_hz", 50, 1000, "faults are seen in reports", _DRILLED.format(0.25)),
    Bound("arm.latency_s", 0.0, 0.5, "commands are sent so much early", "chosen"),
    Bound(
        "arm.joint_acceleration_limits_rad_s2", 1.0, 50.0, "the motors hold it",
        _DRILLED.format(1.25),
    ),
    Bound(
        "arm.joint_jerk_limits_rad_s3", 50.0, 5000.0, "gears and pusher hold it",
        _DRILLED.format(2.5),
    ),
    Bound(
        "arm.command_silence_s", 0.02, 0.2, "the joints move on for so long", _DRILLED.format(4)
    ),
    Bound(
        "arm.first_command_max_jump_rad", 0.001, 0.1, "motion begins where the joints are",
        _DRILLED.format(5),
    ),
    Bound(
        "arm.following_error_rad", 0.005, 0.2, "an arm that is held up is noticed",
        _DRILLED.format(4),
    ),
    Bound(
        "arm.link.external_torque_limits_nm", 0.5, 40.0, "a collision is noticed",
        "torque of the iiwa's weakest joint, data sheet",
    ),
    Bound(
        "arm.link.command.time_from_start_s", 0.002, 0.2, "the arm is so much late", "chosen"
    ),
)  # fmt: skip


def safety_problems(cell: Cell) -> Iterator[str]:
    """What is wrong with the values that keep the arm safe, a sentence each."""
    yield from _beyond(cell)
    miscounted = list(_miscounted(cell))
    yield from miscounted
    if not miscounted:
        yield from _beyond_the_model(cell.arm, joint_limits(cell.arm.model))
        yield from _contradictions(cell)


def _beyond(cell: Cell) -> Iterator[str]:
    known = {bound.key for bound in BOUNDS}
    for key in cell.allow_unsafe:
        if key not in known:
            yield f"allow_unsafe = {key}: it has no bounds, allowed: {', '.join(sorted(known))}"
    for bound in BOUNDS:
        values = _values(cell, bound.key)
        outside = [v for v in values if not bound.least <= v <= bound.most]
        allowed = bound.key in cell.allow_unsafe
        if outside and not allowed:
            yield (
                f"{bound.key} = {outside[0]:g}: allowed: {bound.least:g} to {bound.most:g} "
                f"({bound.why}); a cell that needs another value names the key in allow_unsafe"
            )
        elif allowed and not outside:
            yield f"allow_unsafe = {bound.key}: its value is within bounds, take the name out"


def _values(cell: Cell, key: str) -> tuple[float, ...]:
    """Of a key; none where the cell's kind of arm has no such key."""
    value = _part(cell, key)
    return () if value is None else tuple(np.atleast_1d(np.array(value, dtype=float)))


def _part(cell: Cell, key: str) -> object:
    """What stands at a key; None where the cell's kind of arm has no such key."""
    value: object = cell
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def _miscounted(cell: Cell) -> Iterator[str]:
    """A model that is no arm of ours, and lists that have not one value for each of its joints."""
    try:
        names = joint_limits(cell.arm.model).names
    except ConfigError as error:
        yield str(error)
        return
    for key in _ONE_FOR_EACH_JOINT:
        values = _part(cell, key)
        if isinstance(values, tuple) and len(values) != len(names):
            yield (
                f"{key} has {len(values)} values, allowed: one for each of the {len(names)} joints "
                f"of arm.model, {', '.join(names)}"
            )


def _beyond_the_model(arm: ArmConfig, limits: JointLimits) -> Iterator[str]:
    margin = arm.joint_position_margin_rad
    lower, upper = limits.position[:, 0] + margin, limits.position[:, 1] - margin
    for joint in np.flatnonzero(~(lower < upper)):
        yield (
            f"arm.joint_position_margin_rad = {margin:g}: it leaves joint {joint + 1} no way "
            f"between {limits.position[joint, 0]:g} and {limits.position[joint, 1]:g} rad"
        )
    nominal = np.array(arm.nominal_joints_rad)
    for joint in np.flatnonzero((nominal < lower) | (nominal > upper)):
        yield (
            f"arm.nominal_joints_rad = {nominal[joint]:g} of joint {joint + 1}: allowed: "
            f"{lower[joint]:g} to {upper[joint]:g}, its range in arm.model"
        )
    fastest = np.array(arm.joint_velocity_limits_rad_s)
    for joint in np.flatnonzero(fastest > limits.speed):
        yield (
            f"arm.joint_velocity_limits_rad_s = {fastest[joint]:g} of joint {joint + 1}: "
            f"allowed: up to {limits.speed[joint]:g}, its limit in arm.model"
        )


def _contradictions(cell: Cell) -> Iterator[str]:
    for name, limits in (("policy", cell.motion.policy), ("teleop", cell.motion.teleop)):
        yield from _stops_too_softly(cell, name, limits)
        yield from _goes_too_far(cell, name, limits)
    yield from _joints_stop_too_late(cell.arm)
    yield from _trips_by_chance(
        ("motion.arm_status_age_s", cell.motion.arm_status_age_s),
        ("arm.status_rate_hz", cell.arm.status_rate_hz),
    )
    yield from _trips_by_chance(
        ("arm.command_silence_s", cell.arm.command_silence_s),
        ("motion.rate_hz", cell.motion.rate_hz),
    )


def _stops_too_softly(cell: Cell, name: str, limits: MotionLimits) -> Iterator[str]:
    for key in ("acceleration_m_s2", "jerk_m_s3"):
        least, given = getattr(limits, key), getattr(cell.motion.stop, key)
        if given < least:
            yield (
                f"motion.stop.{key} = {given:g}: a stop is at least as hard as "
                f"motion.{name}.{key}, {least:g}"
            )


def _goes_too_far(cell: Cell, name: str, limits: MotionLimits) -> Iterator[str]:
    room_m = _room(cell.workspace.polygon) - cell.workspace.margin_m
    way_m = _way_without_observation(cell.motion, limits)
    if way_m > room_m:
        yield (
            f"motion.{name}.speed_m_s = {limits.speed_m_s:g}: in the longest silence that motion "
            f"allows, and a stop, the pusher goes {way_m:.2f} m, but from the middle of "
            f"workspace.corners_m it is {room_m:.2f} m to the edge"
        )


def _way_without_observation(motion: MotionConfig, limits: MotionLimits) -> float:
    """How far the pusher goes at full speed while nothing is heard, and in the stop after it."""
    silence_s = max(
        motion.command_silence_s,
        motion.observation_age_s,
        motion.deadman_s,
        motion.arm_status_age_s,
    )
    acceleration = motion.stop.acceleration_m_s2
    stop_s = limits.speed_m_s / acceleration + acceleration / motion.stop.jerk_m_s3
    return limits.speed_m_s * (silence_s + 0.5 * stop_s)


def _room(workspace: ConvexPolygon) -> float:
    """Half of the workspace's width where it is narrowest [m]."""
    corners = workspace.vertices
    edges = np.roll(corners, -1, axis=0) - corners
    offsets = corners[None] - corners[:, None]
    across = edges[:, None, 0] * offsets[..., 1] - edges[:, None, 1] * offsets[..., 0]
    return float((np.abs(across) / np.hypot(*edges.T)[:, None]).max(axis=1).min() / 2)


def _joints_stop_too_late(arm: ArmConfig) -> Iterator[str]:
    acceleration = np.array(arm.joint_acceleration_limits_rad_s2)
    stop_s = np.array(arm.joint_velocity_limits_rad_s) / acceleration
    stop_s += acceleration / np.array(arm.joint_jerk_limits_rad_s3)
    joint = int(np.argmax(stop_s))
    if stop_s[joint] > _LONGEST_JOINT_STOP_S:
        yield (
            f"arm.joint_acceleration_limits_rad_s2 and arm.joint_jerk_limits_rad_s3: joint "
            f"{joint + 1} needs {stop_s[joint]:.2f} s to stop from its highest speed, allowed: "
            f"{_LONGEST_JOINT_STOP_S:g} s"
        )


def _trips_by_chance(watchdog: tuple[str, float], rate: tuple[str, float]) -> Iterator[str]:
    (key, limit_s), (stream, rate_hz) = watchdog, rate
    if limit_s < _PERIODS / rate_hz:
        yield (
            f"{key} = {limit_s:g}: allowed: at least {_PERIODS / rate_hz:g}, "
            f"{_PERIODS:g} periods of {stream}"
        )
