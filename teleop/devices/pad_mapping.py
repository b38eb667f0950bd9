"""Maps an unknown pad: asks for one function after another, and takes the control that is used.

Pure logic on the raw state of `sensor_msgs/Joy`; the caller shows ``prompt`` and ``remark``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from teleop.devices.pad_map import (
    ActionName,
    AxisStick,
    AxisSwitch,
    ButtonSwitch,
    Control,
    Counts,
    PadMap,
    Stick,
    Switch,
    control_text,
)

HOLD_S = 0.4
"""How long a control must be held still before it is taken."""
ACTIONS: tuple[str, ...] = get_args(ActionName)
_NOISE = 0.1  # of an axis at rest
_MOVED = 0.5
_CENTRED = 0.3
# What is not let go for so long was no press: a trigger that is touched for the first time jumps
# from the 0 that ROS reports of it to where it rests.
_PATIENCE_S = 3.0
_STICKS = {
    "right": "Push the stick to the right, as seen in the picture, and hold it.",
    "up": "Push the stick up and hold it.",
}
_SWITCHES = {
    "deadman": "Hold the button that shall let you drive while it is held.",
    "slow": "Hold the button or trigger for driving slowly.",
    "fast": "Hold the button or trigger for driving fast.",
}


@dataclass(frozen=True)
class _Raw:
    axes: tuple[float, ...]
    buttons: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, int]:
        """Of axes and of buttons."""
        return len(self.axes), len(self.buttons)

    @property
    def pressed(self) -> list[int]:
        """Numbers of the buttons."""
        return [index for index, button in enumerate(self.buttons) if button]

    def moved(self, other: _Raw) -> list[int]:
        """Numbers of the axes that are elsewhere in the other."""
        pairs = enumerate(zip(self.axes, other.axes, strict=True))
        return [index for index, (a, b) in pairs if abs(a - b) > _MOVED]

    def like(self, other: _Raw) -> bool:
        """Whether the other is the same but for noise."""
        if self.buttons != other.buttons:
            return False
        return all(abs(a - b) < _NOISE for a, b in zip(self.axes, other.axes, strict=True))


class PadMapper:
    """Asks for ``prompt`` until it is empty; then ``pad_map`` is what was told.

    A control is taken when it was held for `HOLD_S` and let go: how it rests is seen afterwards.
    The deadman is always a button: a trigger that rests elsewhere than it seems would be held.
    """

    def __init__(self, actions: Sequence[str] = ()) -> None:
        """``actions`` of `ACTIONS` are asked for after what driving needs."""
        presses = {name: f"Hold the button for {name!r}." for name in actions}
        self._questions = {**_STICKS, **_SWITCHES, **presses}
        self._parts: dict[str, Stick | Switch] = {}
        self._used: dict[Control, str] = {}
        self._state: _Raw | None = None
        self._since_s = 0.0
        self._rest: _Raw | None = None
        self._held: _Raw | None = None
        self._name = ""
        self.remark = ""

    @property
    def asked(self) -> str | None:
        """The function that is asked for; None when all were told."""
        return next((name for name in self._questions if name not in self._parts), None)

    @property
    def prompt(self) -> str:
        """What to do now, for people; empty when all is told."""
        if self.asked is None:
            return ""
        if self._rest is None:
            stuck = self._state.pressed[:1] if self._state else []
            return "Let go of everything" + "".join(f": button {k} is held" for k in stuck) + "."
        return "Let go." if self._held is not None else self._questions[self.asked]

    def hear(
        self, now_s: float, axes: Sequence[float], buttons: Sequence[int], name: str = ""
    ) -> None:
        """The pad's raw state. Another pad than the one before begins anew."""
        state = _Raw(
            tuple(value if math.isfinite(value) else 0.0 for value in axes), tuple(buttons)
        )
        before = self._state
        if before is not None and (before.counts, self._name) != (state.counts, name):
            self._parts, self._used, self._rest, self._held = {}, {}, None, None
            self.remark = "another pad is heard: from the beginning"
            before = None
        if before is None or not before.like(state):
            self._state, self._since_s = state, now_s
        self._name = name

    def look(self, now_s: float) -> None:
        """Take what has been still for long enough."""
        if self._state is None or self.asked is None or now_s - self._since_s < HOLD_S:
            return
        if self._rest is None:
            self._rest = None if self._state.pressed else self._state
        elif self._held is None:
            self._press(self._rest, self._state)
        else:
            self._let_go(self._held, self._state, now_s - self._since_s > _PATIENCE_S)

    def pad_map(self, title: str, topic: str, dead_zone: float, expo: float) -> PadMap:
        """All that was told."""
        assert self._state is not None
        axes, buttons = self._state.counts
        drive = {name: self._parts[name] for name in (*_STICKS, *_SWITCHES)}
        actions = {name: part for name, part in self._parts.items() if name not in drive}
        return PadMap.model_validate(
            {
                "title": title or self._name or f"Pad of {axes} axes and {buttons} buttons",
                "source": "joy",
                "topic": topic,
                "counts": Counts(axes=axes, buttons=buttons),
                "name": self._name,
                "dead_zone": dead_zone,
                "expo": expo,
                **drive,
                "actions": actions,
            }
        )

    def _press(self, rest: _Raw, state: _Raw) -> None:
        axes, buttons = rest.moved(state), state.pressed
        if not axes and not buttons:
            return
        if self.asked in _STICKS and (buttons or len(axes) > 1):
            self.remark = "a stick is asked for, and one direction of it alone"
        elif len(buttons) > 1 or (len(axes) > 1 and not buttons):
            self.remark = "more than one control at once: use one alone"
        elif self.asked == "deadman" and not buttons:
            self.remark = "it must be a button"
        else:
            self.remark = ""
        # What was wrong must be let go too, before it is asked for again.
        self._held = state

    def _let_go(self, held: _Raw, state: _Raw, late: bool) -> None:
        assert self._rest is not None
        assert self.asked is not None
        if state.pressed:
            return
        if not held.pressed and not held.moved(state):
            if late:
                self._rest, self._held, self.remark = state, None, "nothing was let go: once more"
            return
        rest, self._rest, self._held = self._rest, state, None
        if self.remark:
            return
        self._take(self.asked, held, state, rest.moved(held))

    def _take(self, asked: str, held: _Raw, rest: _Raw, axes: list[int]) -> None:
        """One control, which was held and is at rest; a trigger may be a button and an axis."""
        part: Stick | Switch
        if asked in _STICKS:
            (axis,) = axes
            if abs(rest.axes[axis]) > _CENTRED:
                self.remark = f"axis {axis} does not come back to its middle: it is no stick"
                return
            part = AxisStick(label=f"axis {axis}", axis=axis, reversed=held.axes[axis] < 0)
        elif held.pressed:
            button = held.pressed[0]
            part = ButtonSwitch(label=f"button {button}", button=button)
        else:
            (axis,) = axes
            part = AxisSwitch(
                label=f"axis {axis}",
                axis=axis,
                released=round(rest.axes[axis], 1),
                held=round(held.axes[axis], 1),
            )
        ends = {("axis", axis, 1 if held.axes[axis] > rest.axes[axis] else -1) for axis in axes}
        controls: set[Control] = {*part.controls, *ends}
        taken = next((control for control in sorted(controls) if control in self._used), None)
        if taken is not None:
            self.remark = f"{control_text(taken)} is {self._used[taken]!r} already: use another"
            return
        self._used |= dict.fromkeys(controls, asked)
        self._parts[asked] = part
        self.remark = f"{asked}: {part.label}"
