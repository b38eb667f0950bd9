"""Anything with axes and buttons: gamepads, the keyboard, whatever speaks sensor_msgs/Joy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from teleop.devices.pad_map import PadMap
from teleop.devices.reading import DeviceReading, Presence
from teleop.devices.shaping import StickSpeed, shaped


class PadDevice:
    """Reads a pad's raw state as its map says."""

    def __init__(self, name: str, pad: PadMap, speed: StickSpeed, silence_s: float) -> None:
        self.name, self.title, self.buttons = name, pad.title, pad.buttons
        self.pad = pad
        self._speed = speed
        self._presence = Presence(silence_s)
        self._axes: list[float] = []
        self._buttons: list[int] = []
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether it spoke when it was last read."""
        return self._connected

    def hear(self, now_s: float, axes: Sequence[float], buttons: Sequence[int]) -> None:
        """The pad's raw state; a value that is not finite is taken for 0."""
        self._axes = [value if math.isfinite(value) else 0.0 for value in axes]
        self._buttons = list(buttons)
        self._presence.hear(now_s, self.pad.deadman.pressed(self._axes, self._buttons))

    def read(self, now_s: float) -> DeviceReading:
        """What the pad asks for; released when it fell silent."""
        self._connected = self._presence.speaks(now_s)
        if not self._connected:
            return DeviceReading(now_s)
        raw = self._axes, self._buttons
        stick = np.array([self.pad.right.value(*raw), self.pad.up.value(*raw)])
        return DeviceReading(
            self._presence.heard_s,
            deadman=self.pad.deadman.pressed(*raw) and self._presence.may_drive(now_s),
            velocity=self._speed.velocity(
                shaped(stick, self.pad.dead_zone, self.pad.expo),
                self.pad.slow.pressed(*raw),
                self.pad.fast.pressed(*raw),
            ),
            actions=frozenset(
                name for name, switch in self.pad.actions.items() if switch.pressed(*raw)
            ),
        )

    def close(self) -> None:
        """Nothing is held."""
