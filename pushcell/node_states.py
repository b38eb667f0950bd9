"""What nodes ask of each other in JSON texts: written and read by the same types."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pushcell.errors import PushcellError

Kind = TypeVar("Kind", bound="NodeRequest")


class NodeRequest(BaseModel):
    """A text on a topic; no other keys than these."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrialsRequest(NodeRequest):
    """On ``trials/request``: run so many trials, the first from the start of ``seed``."""

    trials: Annotated[int, Field(ge=1, le=1000)]
    seed: Annotated[int, Field(ge=0)]


class TimeLineRequest(NodeRequest):
    """On ``replay/request``: where a replay shall be.

    ``value`` is the seconds of a seek, the factor of a rate, 0 or 1 of a loop.
    """

    do: Literal["play", "pause", "step", "seek", "rate", "loop"]
    value: float = 0.0


def read_request(kind: type[Kind], text: str) -> Kind:
    """Raises PushcellError for a text that is none."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        told = f"{where}: {first['msg']}" if where else first["msg"]
        raise PushcellError(f"{text[:80]!r} is no {kind.__name__}: {told}") from None


def read_state(text: str) -> dict[str, Any]:
    """The values by name that a node tells of itself; raises PushcellError for anything else."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise PushcellError(f"{text[:80]!r} is no state: it must be a JSON object")
    return values
