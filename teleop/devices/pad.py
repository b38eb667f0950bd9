"""Anything with axes and buttons: gamepads, the keyboard, whatever speaks sensor_msgs/Joy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pushcell.geometry import Array
from teleop.devices.pad_map import PadMap
from teleop.devices.reading import DeviceReading, Presence
from teleop.devices.shaping import StickSpeed, shaped


class PadDevice:
    """Reads a pad's raw state as the map of its kind says; a pad without a map does nothing.

    Kinds are told apart by their numbers of axes and buttons, and by their names where the messages
    tell them; ``problem`` tells of an unknown one.
    """

    def __init__(
        self,
        name: str,
        pad: PadMap,
        speed: StickSpeed,
        silence_s: float,
        others: Sequence[PadMap] = (),
    ) -> None:
        """``pad`` is taken for granted until another kind is heard, of which ``others`` may be."""
        self.name, self.pad, self.problem = name, pad, ""
        self._maps = (pad, *others)
        self._speed, self._silence_s = speed, silence_s
        self._presence = Presence(silence_s)
        self._axes: list[float] = []
        self._buttons: list[int] = []
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether it spoke when it was last read."""
        return self._connected

    @property
    def title(self) -> str:
        """For people."""
        return self.pad.title

    @property
    def buttons(self) -> tuple[tuple[str, str], ...]:
        """What to press, and what it does; nothing on an unknown pad."""
        return () if self.problem else self.pad.buttons

    def hear(
        self, now_s: float, axes: Sequence[float], buttons: Sequence[int], name: str = ""
    ) -> None:
        """The raw state, and the pad's name if it tells one; what is not finite is taken for 0."""
        self._recognise(len(axes), len(buttons), name)
        self._axes = [value if math.isfinite(value) else 0.0 for value in axes]
        self._buttons = list(buttons)
        # Some drivers give every axis an end as its place until it is first moved.
        held = self.pad.deadman.pressed(self._axes, self._buttons) or self._stick().any()
        self._presence.hear(now_s, not self.problem and bool(held))

    def read(self, now_s: float) -> DeviceReading:
        """What the pad asks for; released when it fell silent."""
        self._connected = self._presence.speaks(now_s)
        if not self._connected:
            return DeviceReading(now_s)
        if self.problem:
            return DeviceReading(self._presence.heard_s, velocity=np.zeros(2))
        raw = self._axes, self._buttons
        return DeviceReading(
            self._presence.heard_s,
            deadman=self.pad.deadman.pressed(*raw) and self._presence.may_drive(now_s),
            velocity=self._speed.velocity(
                self._stick(),
                self.pad.slow.pressed(*raw),
                self.pad.fast.pressed(*raw),
            ),
            actions=frozenset(
                name for name, switch in self.pad.actions.items() if switch.pressed(*raw)
            ),
        )

    def _stick(self) -> Array:
        """(2,) right and up; zero in the dead zone."""
        raw = self._axes, self._buttons
        stick = np.array([self.pad.right.value(*raw), self.pad.up.value(*raw)])
        return shaped(stick, self.pad.dead_zone, self.pad.expo)

    def _recognise(self, axes: int, buttons: int, name: str) -> None:
        """Take the map of this kind of pad; a new kind must be seen released before it drives."""
        if not self.problem and self.pad.fits(axes, buttons, name):
            return
        found = next((pad for pad in self._maps if pad.fits(axes, buttons, name)), None)
        self._presence = Presence(self._silence_s)
        self.problem = "" if found is not None else _unknown(axes, buttons, name)
        self.pad = found or self.pad

    def close(self) -> None:
        """Nothing is held."""


def _unknown(axes: int, buttons: int, name: str) -> str:
    pad = f"the pad {name!r}" if name else "a pad"
    return (
        f"{pad} of {axes} axes and {buttons} buttons, which no map here is for: it does nothing; "
        "end this launch, map the pad with `pushcell teleop map --out pad.yaml`, and name that "
        "file in devices"
    )
