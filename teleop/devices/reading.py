"""What every device is to the rest: a name, a description, and a stamped reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pushcell.geometry import Array


@dataclass(frozen=True, eq=False)
class DeviceReading:
    """What a person asks for; ``stamp_s`` is when the device last spoke, on the steady clock.

    ``velocity`` (2,) [m/s] or ``target`` (2,) [m] are in the base frame; a device gives one of
    them, or none while there is nothing to say. ``actions`` are the names of pressed buttons.
    """

    stamp_s: float
    deadman: bool = False
    velocity: Array | None = None
    target: Array | None = None
    actions: frozenset[str] = frozenset()


class Device(Protocol):
    """One thing that a person may drive with."""

    name: str

    @property
    def title(self) -> str:
        """For people."""

    @property
    def buttons(self) -> tuple[tuple[str, str], ...]:
        """What to press, and what it does."""

    @property
    def problem(self) -> str:
        """Why it does nothing though it speaks; empty while it does."""

    @property
    def connected(self) -> bool:
        """Whether the device speaks; what does not is a released deadman."""

    def read(self, now_s: float) -> DeviceReading:
        """The newest reading at a time of the steady clock."""

    def close(self) -> None:
        """Give the hardware back."""


class Presence:
    """Whether a device speaks, and whether its deadman may count.

    After a silence the device must be seen at rest first: a button or a stick that was stuck, or
    still held when a device came back, moves nothing.
    """

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._released_since = False
        self.heard_s = -float("inf")

    def hear(self, now_s: float, held: bool) -> None:
        """The device spoke."""
        if not self.speaks(now_s):
            self._released_since = False
        self.heard_s = now_s
        self._released_since = self._released_since or not held

    def speaks(self, now_s: float) -> bool:
        """Whether the device was heard of late."""
        return now_s - self.heard_s <= self._silence_s

    def may_drive(self, now_s: float) -> bool:
        """Whether a held deadman counts."""
        return self._released_since and self.speaks(now_s)
