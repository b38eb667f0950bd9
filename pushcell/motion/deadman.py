"""Whether the operator holds the deadman, by what was said on it."""

from __future__ import annotations

import numpy as np

from pushcell.timing import is_older


class Deadman:
    """Held while that was said at most ``age_s`` ago; the next tick sees every release.

    Two publishers may disagree: a release hides what else is said until `ticked`.
    """

    def __init__(self, age_s: float) -> None:
        self._age_s = age_s
        self._held_s = -np.inf
        self._let_go = False

    def hear(self, now_s: float, held: bool) -> None:
        """Somebody said that it is held, or was let go."""
        if not held:
            self.forget()
            self._let_go = True
        elif not self._let_go:
            self._held_s = now_s

    def forget(self) -> None:
        """What was said before does not count: released."""
        self._held_s = -np.inf

    def ticked(self) -> None:
        """A tick has begun, which sees what was said before it."""
        self._let_go = False

    def is_held(self, now_s: float) -> bool:
        """At a time of the control clock [s]."""
        return not is_older(now_s, self._held_s, self._age_s)
