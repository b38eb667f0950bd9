"""Two policies that drive from the same starts by turns, in an order that the operator is not told.

Whoever watches can then favour neither, and what changes in a cell in the course of a day falls on
both alike.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from pushcell.errors import ConfigError
from pushcell.evaluation.sequential import LEVEL, anytime_p

_ORDER = 4  # beside the seed, for the generator that draws who is first


class Side(str, Enum):
    """One of the two policies."""

    A = "a"
    B = "b"


def check_blind(policy: str, against: str, until_decided: bool, simulated: bool) -> None:
    """Raise ConfigError for what cannot be driven by turns; ``against`` is empty for one policy."""
    if until_decided and not against:
        raise ConfigError("until_decided:=true needs a second policy: give against:=BUNDLE")
    if against and "planner" in (policy, against):
        raise ConfigError(
            "planner is a demonstrator and takes no turns with a bundle: run pushcell evaluate for "
            "each of the two, then pushcell compare"
        )
    if against and not simulated:
        raise ConfigError(
            f"against:={against} needs trials that run by themselves, which only the simulated "
            "cell has: leave against:= away with a real arm"
        )


def order_of(seed: int) -> tuple[Side, Side]:
    """Who drives first from a seed's start, and who second; either way is as likely."""
    a_first = np.random.default_rng([seed, _ORDER]).random() < 0.5
    return (Side.A, Side.B) if a_first else (Side.B, Side.A)


class BlindPairs:
    """How the starts went from which both have driven; what it tells is not who is ahead."""

    def __init__(self) -> None:
        self._success: dict[Side, dict[int, bool]] = {side: {} for side in Side}

    def begin(self, seed: int) -> None:
        """Both drive from this start now, whatever has been before."""
        for known in self._success.values():
            known.pop(seed, None)

    def add(self, side: Side, seed: int, success: bool) -> bool:
        """A trial that is not void; whether both have driven from its start now."""
        self._success[side][seed] = success
        return all(seed in known for known in self._success.values())

    @property
    def count(self) -> int:
        """Starts from which both have driven."""
        return len(self._differences())

    @property
    def p(self) -> float:
        """As "p, any time" of `pushcell compare`: valid whenever one stops."""
        differences = self._differences()
        return float(anytime_p(differences)[-1]) if differences else 1.0

    @property
    def decided(self) -> bool:
        """Whether one policy is better than the other."""
        return self.p <= LEVEL

    @property
    def told(self) -> str:
        """In one sentence."""
        decided = "decided" if self.decided else f"not decided, which takes {LEVEL:g}"
        starts = f"starts that both have driven from: {self.count}"
        return f"{starts}; p, any time: {self.p:.2g}, {decided}"

    def _differences(self) -> list[int]:
        """Per start, by seed: +1 where B alone succeeded, -1 where A alone did."""
        a, b = self._success[Side.A], self._success[Side.B]
        return [b[seed] - a[seed] for seed in sorted(a.keys() & b.keys())]
