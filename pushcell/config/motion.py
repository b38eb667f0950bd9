"""The sections workspace and motion of a cell: where the pusher may be, and how it moves."""

from __future__ import annotations

import functools
from typing import Annotated

from pydantic import Field, field_validator

from pushcell.config.types import NonNegative, Positive, Rate, Section, Vector2
from pushcell.geometry import ConvexPolygon


class WorkspaceConfig(Section):
    """Where the pusher's tip may be: a convex polygon in the base frame."""

    corners_m: Annotated[tuple[Vector2, ...], Field(min_length=3)]
    margin_m: NonNegative

    @field_validator("corners_m")
    @classmethod
    def _convex(cls, corners: tuple[Vector2, ...]) -> tuple[Vector2, ...]:
        ConvexPolygon.from_vertices(corners)
        return corners

    @functools.cached_property
    def polygon(self) -> ConvexPolygon:
        """The workspace as a polygon."""
        return ConvexPolygon.from_vertices(self.corners_m)


class MotionLimits(Section):
    """Limits of the pusher's motion in the plane."""

    speed_m_s: Positive
    acceleration_m_s2: Positive
    jerk_m_s3: Positive


class StopLimits(Section):
    """Limits of a stop: harder than those of following, so that a stop is short."""

    acceleration_m_s2: Positive
    jerk_m_s3: Positive


class MotionConfig(Section):
    """The guard between every source of motion and the arm."""

    rate_hz: Rate
    policy: MotionLimits
    teleop: MotionLimits
    stop: StopLimits
    first_target_max_jump_m: Positive
    target_max_outside_m: Positive
    following_error_rad: Positive
    command_silence_s: Positive
    observation_age_s: Positive
    deadman_s: Positive
    arm_status_age_s: Positive

    @property
    def tick_s(self) -> float:
        """The period of the filter [s]."""
        return 1.0 / self.rate_hz
