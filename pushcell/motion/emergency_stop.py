"""The emergency stop: engaged from the start and by anyone, released only on purpose.

::

    start --> ENGAGED --release(), while nobody presses it--> RELEASED
                 ^                                               |
                 +---------- engage(), somebody presses it ------+
"""

from __future__ import annotations

from collections.abc import Collection, Hashable


class EmergencyStop:
    """Latched: a cause that goes away releases nothing. Each switch speaks for itself alone."""

    def __init__(self) -> None:
        self.cause: str | None = "motion was just started"
        self._pressed: set[Hashable] = set()

    @property
    def engaged(self) -> bool:
        """Whether the stop is latched, so that the guard commands no motion."""
        return self.cause is not None

    def engage(self, cause: str) -> None:
        """Stop; the first cause is kept."""
        self.cause = self.cause or cause

    def set_pressed(self, switch: Hashable, pressed: bool) -> None:
        """A switch, or a person, says whether it is pressed; letting go does not release."""
        if pressed:
            self._pressed.add(switch)
            self.engage("it was pressed")
        else:
            self._pressed.discard(switch)

    def release(self, living: Collection[Hashable] | None = None) -> str | None:
        """Release; returns why not, in words, while a living switch is pressed.

        One that ended while it was pressed is forgotten only here, by whoever releases. ``living``
        are the switches that are there; None: all.
        """
        if living is not None:
            self._pressed &= set(living)
        if self._pressed:
            return "the emergency stop is still pressed: let it go first"
        self.cause = None
        return None
