"""What nodes tell and ask of each other in texts: written and read by the same types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from pushcell.errors import PushcellError

Request = TypeVar("Request", bound="NodeRequest")
State = TypeVar("State", bound="NodeState")

RecorderPhase = Literal["idle", "recording", "verifying", "failed"]
GateWord = Literal["accept", "warn", "reject"]


def _writable(words: object) -> object:
    """A file's name may have bytes that no text has."""
    return words.encode(errors="replace").decode() if isinstance(words, str) else words


Words = Annotated[str, BeforeValidator(_writable)]
Count = Annotated[int, Field(ge=0)]


class NodeText(BaseModel):
    """A JSON text on a topic; no other keys than these."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NodeRequest(NodeText):
    """What one node asks of another."""


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


class NodeState(NodeText):
    """What a node tells of itself, again and again; what is not given is not written."""

    def values(self) -> dict[str, Any]:
        """Plain values by name, as they are written."""
        return self.model_dump(mode="json", exclude_unset=True)

    def text(self) -> str:
        """As it is published."""
        return self.model_dump_json(exclude_unset=True)


class GateVerdict(NodeState):
    """What the quality gate says of the episode at hand."""

    verdict: GateWord
    reasons: tuple[Words, ...]


class LastEpisode(NodeState):
    """The episode that was written last, with the gate's verdict; empty where there was none."""

    episode: Words
    verdict: GateWord | Literal[""]
    reasons: tuple[Words, ...]
    operator: Literal["success", "failure", "unjudged", "discard", ""]


class RecorderState(NodeState):
    """On ``recorder/state``; ``seconds`` of the episode at hand, ``messages`` counted by topic."""

    state: RecorderPhase
    episode: Words
    seconds: float
    messages: dict[str, Count]
    quality: GateVerdict
    directory: Words
    free_bytes: Count
    last: LastEpisode
    problem: Words


class TrialsState(NodeState):
    """On ``trials/state``; ``progress`` and ``chunks`` are in words."""

    state: Literal["running", "idle"]
    progress: Words
    trials: Count
    successes: Count
    chunks: Words


class DeviceState(NodeState):
    """One input device; ``buttons`` are what to press and what it does."""

    name: Words
    title: Words
    connected: bool
    problem: Words
    buttons: tuple[tuple[Words, Words], ...]


class DevicesState(NodeState):
    """On ``teleop/state``; ``driver`` is the name of the device that drives."""

    driver: Words | None
    devices: tuple[DeviceState, ...]


class ReplayState(NodeState):
    """On ``replay/state``; seconds from the recording's beginning, ``rate`` times real time."""

    position_s: float
    duration_s: float
    playing: bool
    rate: float
    loop: bool


class ProcedureState(NodeState):
    """On ``calibration/state``: how far a calibration is, in words, and what its views cover.

    ``finish`` and ``touch``: whether it takes the services of these buttons. ``counts`` are views
    by row and column of the picture, ``missing`` what to show next.
    """

    progress: Words
    finish: bool = False
    touch: bool = False
    camera: Words = ""
    views: Count = 0
    without_board: Count = 0
    counts: tuple[tuple[Count, ...], ...] = ()
    missing: tuple[Words, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MotionNodeState:
    """On ``motion/state``, as texts by key: what motion_node does, or who stands in its place.

    That one tells no ``reason``, ``interventions`` or ``allow_unsafe``. ``emergency_stop`` is its
    cause, or "released"; ``message`` is the reason in words, and none of the keys.
    """

    source: str
    phase: str
    reason: str | None = None
    interventions: int | None = None
    emergency_stop: str
    require_deadman: bool
    allow_unsafe: str | None = None
    message: str = ""

    def texts(self) -> dict[str, str]:
        """By key, as they are published."""
        values = vars(self).items()
        return {k: str(v) for k, v in values if k != "message" and v is not None}


MOTION_UNHEARD = MotionNodeState(source="", phase="no_arm", emergency_stop="", require_deadman=True)
"""What to go by before the first one is heard."""

_MOTION = TypeAdapter(MotionNodeState)


def read_request(kind: type[Request], text: str) -> Request:
    """Raises PushcellError for a text that is none."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(kind, text, error) from None


def read_state(kind: type[State], text: str) -> State:
    """As its node wrote it; raises PushcellError for a text that is none."""
    try:
        return kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _refusal(kind, text, error) from None


def read_motion_state(texts: Mapping[str, str], message: str = "") -> MotionNodeState:
    """Keys that are not known are left out; raises PushcellError for texts that are none."""
    try:
        return _MOTION.validate_python({**texts, "message": message})
    except ValidationError as error:
        raise _refusal(MotionNodeState, str(dict(texts)), error) from None


def _refusal(kind: type, text: str, error: ValidationError) -> PushcellError:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    told = f"{where}: {first['msg']}" if where else first["msg"]
    return PushcellError(f"{text[:80]!r} is no {kind.__name__}: {told}")
