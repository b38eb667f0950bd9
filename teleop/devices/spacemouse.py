"""A SpaceMouse through pyspacemouse; it may be plugged in and out while the cell runs."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from pushcell.errors import PushcellError
from teleop.devices.pad import PadDevice
from teleop.devices.reading import DeviceReading

_AXES = ("x", "y", "z", "roll", "pitch", "yaw")
_SEARCH_EVERY_S = 2.0


class SpaceMouseDevice:
    """Polls the puck at each reading; raises PushcellError where pyspacemouse is not usable."""

    def __init__(self, pad: PadDevice) -> None:
        try:
            import pyspacemouse
            from easyhid import HIDException
        except (ImportError, OSError) as error:
            raise PushcellError(
                f"the SpaceMouse needs pyspacemouse and hidapi ({error}): pip install "
                "'pushcell[spacemouse]' and, on Debian and Ubuntu, apt install libhidapi-hidraw0"
            ) from None
        self._library: Any = pyspacemouse
        # What the library and the system say when nothing is there, or no longer.
        self._gone = (HIDException, RuntimeError, OSError)
        self._pad = pad
        self.name, self.title, self.buttons, self.problem = pad.name, pad.title, pad.buttons, ""
        self._puck: Any = None
        self._looker = ThreadPoolExecutor(1)
        self._search: Future[Any] | None = None
        self._search_due_s = -float("inf")

    @property
    def connected(self) -> bool:
        """Whether a puck is open."""
        return self._puck is not None

    def read(self, now_s: float) -> DeviceReading:
        """What the puck asks for; an unplugged one is released, and looked for again."""
        if self._puck is None:
            self._look(now_s)
        if self._puck is not None:
            try:
                state = self._newest()
            except self._gone:
                self._puck = None
            else:
                axes = [float(getattr(state, axis)) for axis in _AXES]
                self._pad.hear(now_s, axes, [int(button) for button in state.buttons])
                return self._pad.read(now_s)
        return DeviceReading(now_s)

    def close(self) -> None:
        """Give the puck back."""
        self._looker.shutdown()
        if self._puck is not None:
            with suppress(*self._gone):
                self._puck.close()

    def _newest(self) -> Any:
        """The state after every report that waits; reading takes one at a time."""
        state, read_s = self._puck.read(), None
        while state.t != read_s:
            read_s = state.t
            state = self._puck.read()
        return state

    def _look(self, now_s: float) -> None:
        """Look for a puck beside the control loop: the search takes its time."""
        if self._search is not None and self._search.done():
            with suppress(*self._gone):
                self._puck = self._search.result()
            self._search = None
        elif self._search is None and now_s >= self._search_due_s:
            self._search_due_s = now_s + _SEARCH_EVERY_S
            self._search = self._looker.submit(self._library.open)
