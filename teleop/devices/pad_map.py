"""What a pad's sticks and buttons mean: a YAML file for each kind of pad, no code."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from pushcell.config.types import Fraction, Section, Topic
from pushcell.config.validation import read_schema
from pushcell.errors import ConfigError

MAPS = Path(__file__).parent / "maps"
# A trigger that ROS reports as 0 before it is first touched must not count as pressed.
_PRESSED_SHARE = 0.6
Index = Annotated[int, Field(ge=0)]
# A button, or one end of an axis: ("button", 4, 1), ("axis", 2, -1).
Control = tuple[str, int, int]
ActionName = Literal[
    "arm", "stop", "prepare", "start", "success", "failure", "discard", "policy", "hold"
]


class AxisStick(Section):
    """One direction of a stick, as an axis from -1 to 1."""

    label: str
    axis: Index
    reversed: bool = False

    @property
    def controls(self) -> frozenset[Control]:
        """What it takes of the pad."""
        return frozenset({("axis", self.axis, 1), ("axis", self.axis, -1)})

    def within(self, axes: int, buttons: int) -> bool:
        """Whether a pad with so many axes and buttons has it."""
        return self.axis < axes

    def value(self, axes: list[float], buttons: list[int]) -> float:
        """In [-1, 1]; 0 for an axis that the pad does not have."""
        raw = axes[self.axis] if self.axis < len(axes) else 0.0
        return min(1.0, max(-1.0, -raw if self.reversed else raw))


class ButtonStick(Section):
    """One direction as two buttons, as of a keyboard or a cross."""

    label: str
    plus: Index
    minus: Index

    @property
    def controls(self) -> frozenset[Control]:
        """What it takes of the pad."""
        return frozenset({("button", self.plus, 1), ("button", self.minus, 1)})

    def within(self, axes: int, buttons: int) -> bool:
        """Whether a pad with so many axes and buttons has it."""
        return max(self.plus, self.minus) < buttons

    def value(self, axes: list[float], buttons: list[int]) -> float:
        """-1, 0 or 1."""
        return float(_pressed(buttons, self.plus)) - float(_pressed(buttons, self.minus))


class ButtonSwitch(Section):
    """Something that is pressed or not: a button."""

    label: str
    button: Index

    @property
    def controls(self) -> frozenset[Control]:
        """What it takes of the pad."""
        return frozenset({("button", self.button, 1)})

    def within(self, axes: int, buttons: int) -> bool:
        """Whether a pad with so many axes and buttons has it."""
        return self.button < buttons

    def pressed(self, axes: list[float], buttons: list[int]) -> bool:
        """Whether it is."""
        return _pressed(buttons, self.button)

    def let_go(self, axes: list[float], buttons: list[int]) -> None:
        """Make it unpressed."""
        if self.within(len(axes), len(buttons)):
            buttons[self.button] = 0


class AxisSwitch(Section):
    """Something that is pressed or not: a trigger which is an axis."""

    label: str
    axis: Index
    released: float
    held: float

    @property
    def controls(self) -> frozenset[Control]:
        """What it takes of the pad."""
        return frozenset({("axis", self.axis, 1 if self.held > self.released else -1)})

    @model_validator(mode="after")
    def _moves(self) -> AxisSwitch:
        if self.released == self.held:
            raise ValueError(f"released and held are both {self.held}, allowed: two places")
        return self

    def within(self, axes: int, buttons: int) -> bool:
        """Whether a pad with so many axes and buttons has it."""
        return self.axis < axes

    def pressed(self, axes: list[float], buttons: list[int]) -> bool:
        """Whether it is, by the most part of its way."""
        if self.axis >= len(axes):
            return False
        return (axes[self.axis] - self.released) / (self.held - self.released) > _PRESSED_SHARE

    def let_go(self, axes: list[float], buttons: list[int]) -> None:
        """Make it unpressed."""
        if self.within(len(axes), len(buttons)):
            axes[self.axis] = self.released


class Counts(Section):
    """How many axes and buttons a kind of pad has: by these it is told from others."""

    axes: Index
    buttons: Index


Stick = AxisStick | ButtonStick
Switch = ButtonSwitch | AxisSwitch


class PadMap(Section):
    """One kind of pad. Right and up are those of the overhead picture."""

    title: str
    source: Literal["joy", "spacemouse"]
    topic: Topic | None = None  # sensor_msgs/Joy; for source joy
    counts: Counts | None = None  # without, it is for any pad that has what is named below
    name: str = ""  # of the pad, where its messages tell one (in frame_id): counts may be alike
    keys: tuple[str, ...] = ()  # for the keyboard of the page: the key of each button
    dead_zone: Annotated[float, Field(ge=0, lt=0.9)]
    expo: Fraction
    right: Stick
    up: Stick
    deadman: Switch
    slow: Switch
    fast: Switch
    actions: dict[ActionName, Switch] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_control_once(self) -> PadMap:
        for (first, one), (second, other) in combinations(self.parts.items(), 2):
            shared = one.controls & other.controls
            if shared:
                raise ValueError(
                    f"{first} and {second} are both {control_text(min(shared))}: "
                    "each control is for one thing"
                )
        return self

    @property
    def parts(self) -> Mapping[str, Stick | Switch]:
        """All that is mapped, by its name."""
        pressed: dict[str, Switch] = {str(name): part for name, part in self.actions.items()}
        held = {"deadman": self.deadman, "slow": self.slow, "fast": self.fast}
        return {"right": self.right, "up": self.up, **held, **pressed}

    def fits(self, axes: int, buttons: int, name: str = "") -> bool:
        """Whether a pad with so many axes and buttons, and that name if it tells one, is of this
        kind."""
        if self.name and name and self.name != name:
            return False
        if self.counts is not None:
            return (axes, buttons) == (self.counts.axes, self.counts.buttons)
        return all(part.within(axes, buttons) for part in self.parts.values())

    @property
    def buttons(self) -> tuple[tuple[str, str], ...]:
        """What to press, and what it does; for people."""
        sticks = dict.fromkeys((self.right.label, self.up.label), "drive, as seen in the picture")
        held = (
            (self.deadman.label, "hold to drive"),
            (self.slow.label, "hold: slow"),
            (self.fast.label, "hold: fast"),
        )
        pressed = ((switch.label, name) for name, switch in self.actions.items())
        return (*sticks.items(), *held, *pressed)

    @property
    def deadman_key(self) -> str | None:
        """The key that is the deadman, where there are keys."""
        if not self.keys or not isinstance(self.deadman, ButtonSwitch):
            return None
        return self.keys[self.deadman.button]


def control_text(control: Control) -> str:
    """For people."""
    kind, index, end = control
    return f"button {index}" if kind == "button" else f"axis {index} towards {end:+d}"


def told_name(frame_id: str) -> str:
    """The pad's name by the frame_id of its messages; joy_node says ``joy`` of every pad."""
    return "" if frame_id == "joy" else frame_id


def related_maps(name: str) -> list[PadMap]:
    """The shipped maps of other pads that may stand for this name: ``gamepad_...`` for gamepad."""
    return [load_map(file.stem) for file in sorted(MAPS.glob(f"{name}_*.yaml"))]


def load_map(name_or_path: str) -> PadMap:
    """The map of that name in ``teleop/devices/maps``, or of that file; raises ConfigError."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = MAPS / f"{name_or_path}.yaml"
        if not path.exists():
            known = ", ".join(sorted(file.stem for file in MAPS.glob("*.yaml")))
            raise ConfigError(
                f"there is no device {name_or_path!r}; known are browser, {known}, or the path of "
                "a YAML file like those in teleop/devices/maps"
            )
    return read_schema(PadMap, path)


def write_map(pad: PadMap, path: Path) -> None:
    """Write a map that `load_map` reads; raises ConfigError where it cannot be written."""
    values = pad.model_dump(exclude_unset=True)
    values = {key: value for key, value in values.items() if value not in ("", {})}
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from None


def _pressed(buttons: list[int], index: int) -> bool:
    return index < len(buttons) and bool(buttons[index])
