"""The finger or mouse on the console's picture: a place on the table, held while pressed."""

from __future__ import annotations

from pushcell.geometry import Array
from teleop.devices.reading import DeviceReading, Presence

# sensor_msgs/Joy: axes x, y [m] of the place on the table, or none; one button, pressed or not.
BROWSER_TOPIC = "/teleop/browser"


class PointerDevice:
    """The browser. A press is the deadman; without a place on the picture it is only that."""

    name = "browser"
    title, problem = "Browser", ""
    buttons: tuple[tuple[str, str], ...] = (
        ("press on the overhead picture", "the pusher goes there while you hold"),
        ("Hold to run", "hold: lets home and policy move"),
    )

    def __init__(self, silence_s: float) -> None:
        self._presence = Presence(silence_s)
        self._held = False
        self._target: Array | None = None
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether a page was there when it was last read."""
        return self._connected

    def hear(self, now_s: float, held: bool, target: Array | None) -> None:
        """The page's state: pressed, and where on the table (2,) [m]."""
        self._held, self._target = held, target if held else None
        self._presence.hear(now_s, held)

    def read(self, now_s: float) -> DeviceReading:
        """What the page asks for; released when it fell silent."""
        self._connected = self._presence.speaks(now_s)
        held = self._held and self._presence.may_drive(now_s)
        if not held:
            return DeviceReading(now_s)
        return DeviceReading(self._presence.heard_s, deadman=True, target=self._target)

    def close(self) -> None:
        """Nothing is held."""
