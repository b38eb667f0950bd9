"""What the sections of the configuration are made of: numbers with bounds, and no unknown keys."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Self

Positive = Annotated[float, Field(gt=0)]
Length = Annotated[float, Field(gt=0, le=2)]  # of a thing on an arm [m]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1000)]
Name = Annotated[str, Field(min_length=1)]
Topic = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_/]+$")]
Vector2 = tuple[float, float]
Vector3 = tuple[float, float, float]

# Five joints cannot hold a pusher upright everywhere on a table; more than seven were never tried.
FEWEST_JOINTS, MOST_JOINTS = 6, 7
_one_each = Field(min_length=FEWEST_JOINTS, max_length=MOST_JOINTS)
Joints = Annotated[tuple[float, ...], _one_each]
PositiveJoints = Annotated[tuple[Positive, ...], _one_each]
JointNames = Annotated[tuple[Name, ...], _one_each]
Colour = tuple[Fraction, Fraction, Fraction]


class Section(BaseModel):
    """A part of the configuration; frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)

    def changed(self, **values: Any) -> Self:
        """A checked copy with other values; nothing that was computed of the old ones stays."""
        return type(self).model_validate({**self.model_dump(), **values})
