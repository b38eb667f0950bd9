"""A made-up pad for tests: what it says on /joy while the controls of a map are used."""

from __future__ import annotations

from teleop.devices.pad_map import AxisStick, AxisSwitch, ButtonSwitch, Stick, Switch


class PressedPad:
    """``untouched`` triggers are 0 until they are first pressed, as ROS reports them.

    ``companions`` are triggers that are a button too: axis -> button.
    """

    def __init__(self, axes, buttons, rest, companions=None, untouched=True):
        self.axes = [0.0 if untouched else rest.get(k, 0.0) for k in range(axes)]
        self.buttons = [0] * buttons
        self._rest, self._companions = rest, companions or {}

    def press(self, part: Stick | Switch) -> None:
        """Hold what a map's part is."""
        if isinstance(part, ButtonSwitch):
            self.buttons[part.button] = 1
        elif isinstance(part, AxisSwitch):
            self.move(part.axis, part.held)
        elif isinstance(part, AxisStick):
            self.move(part.axis, -1.0 if part.reversed else 1.0)

    def move(self, axis: int, value: float) -> None:
        """Bring an axis somewhere."""
        self.axes[axis] = value
        if axis in self._companions:
            self.buttons[self._companions[axis]] = 1

    def let_go(self) -> None:
        """Of everything: what was touched is where it rests."""
        self.axes = [self._rest.get(k, 0.0) if value else 0.0 for k, value in enumerate(self.axes)]
        self.buttons = [0] * len(self.buttons)
