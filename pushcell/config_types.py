"""What the sections of the configuration are made of: numbers with bounds, and no unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1000)]
Name = Annotated[str, Field(min_length=1)]
Topic = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_/]+$")]
Vector2 = tuple[float, float]
Vector3 = tuple[float, float, float]
Joints = tuple[float, float, float, float, float, float, float]
PositiveJoints = tuple[Positive, Positive, Positive, Positive, Positive, Positive, Positive]
Colour = tuple[Fraction, Fraction, Fraction]


class Section(BaseModel):
    """A part of the configuration; frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)
