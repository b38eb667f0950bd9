"""Whether all commands of an arm are of one sender, who numbers them."""

from __future__ import annotations

import math


class CommandOrder:
    """Sees a rival, also under the sender's own name: by what comes out of sequence."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._sender = ""
        self._number = -1
        self._due_s = -math.inf

    def rival(self, sender: str, number: int, due_s: float) -> str | None:
        """What says that two command the arm, in words; else the command counts as heard.

        Another sender may begin where the last one has been silent.
        """
        if sender != self._sender:
            if not due_s - self._due_s > self._silence_s:
                return f"{self._sender!r} and {sender!r}"
            self._sender, self._number = sender, -1
        if number <= self._number:
            return f"two are {sender!r}: number {number} came after {self._number}"
        self._number, self._due_s = number, due_s
        return None
