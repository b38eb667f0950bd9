"""What a page may send; anything else ends its connection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from pushcell.config.types import Section

Number = Annotated[float, Field(allow_inf_nan=False)]


class PadState(Section):
    """A gamepad as the browser sees it."""

    axes: Annotated[tuple[Number, ...], Field(max_length=32)]
    buttons: Annotated[tuple[Literal[0, 1], ...], Field(max_length=64)]


class OperatorInput(Section):
    """What the person holds: sent at each change and many times a second."""

    t: Literal["input"] = "input"
    drag: tuple[Number, Number] | None = None  # a pixel of the picture that is driven on
    run: bool = False  # the deadman without a place
    keys: Annotated[frozenset[str], Field(max_length=16)] = frozenset()
    pad: PadState | None = None
    # When, by the server's clock, at the earliest; unknown is too long ago.
    said_ms: Number | None = None

    @property
    def holding(self) -> bool:
        """Whether anything is held, moved or not."""
        pad = self.pad is not None and any(self.pad.buttons)
        return self.drag is not None or self.run or bool(self.keys) or pad


class Act(Section):
    """A button or its key was pressed."""

    t: Literal["act"]
    action: str


class Trials(Section):
    """Run trials of the policy."""

    t: Literal["trials"]
    trials: Annotated[int, Field(ge=1, le=1000)]
    seed: Annotated[int, Field(ge=0)]


class TimeLine(Section):
    """Where a replay shall be; seconds of a seek, a factor of a rate, 0 or 1 of a loop."""

    t: Literal["time_line"]
    do: Literal["play", "pause", "step", "seek", "rate", "loop"]
    value: Number = 0.0


class Shown(Section):
    """A picture is on the screen: the next one may be sent."""

    t: Literal["shown"]
    camera: str


class Ping(Section):
    """Answered at once with the same number."""

    t: Literal["ping"]
    sent_ms: Number


class Hello(Section):
    """The first message."""

    t: Literal["hello"]
    token: str = ""


Message = OperatorInput | Act | Trials | TimeLine | Shown | Ping | Hello
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="t")])


def parse(text: str) -> Message:
    """Raises ValueError for what is none of them."""
    return _ADAPTER.validate_json(text)
