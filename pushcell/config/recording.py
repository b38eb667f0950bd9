"""The section ``recording``: what is recorded, how, and what a good episode is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from pushcell.config.types import Name, NonNegative, Positive, Rate, Section, Topic


class RecordedTopicConfig(Section):
    """One topic; its rate is what is expected of it, or null where it comes as it comes."""

    name: Topic
    type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*$")]
    rate_hz: Rate | None


class Bounds(Section):
    """More than ``warn`` is worth a warning, more than ``reject`` costs the episode."""

    warn: NonNegative
    reject: NonNegative

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn > self.reject:
            raise ValueError(f"warn is {self.warn}, allowed: at most reject, {self.reject}")
        return self


class QualityConfig(Section):
    """When an episode is warned about and when it is rejected; docs/collecting.md tells more."""

    missing: Bounds  # share of the messages that the rates promise
    lost: Bounds  # share of what was published, by sequence
    gap_s: Bounds  # longest silence of a stream, beyond its period
    duplicates: Bounds  # share of messages with the stamp of the one before
    skew_s: Bounds  # between the delays of two streams
    frozen_m: Bounds  # way of the pusher while a camera's picture stayed the same
    black: Bounds  # share of pictures without anything to see
    black_level: Annotated[int, Field(ge=0, le=255)]
    saturated: Bounds  # share of the moving time at the limit of speed
    at_limits: Bounds  # share of the time at a joint's end or at the workspace's border
    pause_s: Bounds  # longest time in which the pusher rests
    duration_s: Positive  # shorter ones are rejected


class RecordingConfig(Section):
    """Cameras are recorded by themselves: their images, models and metadata."""

    directory: Name
    topics: Annotated[tuple[RecordedTopicConfig, ...], Field(min_length=1)]
    images: Literal["lossless", "jpeg"]
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    step_rate_hz: Rate
    sync_s: Annotated[float, Field(gt=0, le=1)]
    buffer_mb: Positive
    min_free_mb: Positive
    image_checks_hz: Rate
    quality: QualityConfig

    @field_validator("topics")
    @classmethod
    def _distinct(cls, topics: tuple[RecordedTopicConfig, ...]) -> tuple[RecordedTopicConfig, ...]:
        names = [topic.name for topic in topics]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is given twice, allowed: each topic once")
        return topics
