"""The emergency stop: engaged from the start and by anyone, released only on purpose.

::

    start --> ENGAGED --release(), while no cause lasts--> RELEASED
                 ^                                            |
                 +------------- engage(), cause begins -------+
"""

from __future__ import annotations


class EmergencyStop:
    """Latched: a cause that goes away releases nothing."""

    def __init__(self) -> None:
        self.cause: str | None = "motion was just started"
        self._pressed = False

    @property
    def engaged(self) -> bool:
        """Whether nothing may move."""
        return self.cause is not None

    def engage(self, cause: str) -> None:
        """Stop; the first cause is kept."""
        self.cause = self.cause or cause

    def set_pressed(self, pressed: bool) -> None:
        """A switch or a person says whether the stop is pressed; letting go does not release."""
        self._pressed = pressed
        if pressed:
            self.engage("it was pressed")

    def release(self) -> str | None:
        """Release; returns why not, in words, where it may not be."""
        if self._pressed:
            return "the emergency stop is still pressed: let it go first"
        self.cause = None
        return None
