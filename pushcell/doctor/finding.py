"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """How good it is."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what to do where it is not good."""

    what: str
    level: Level
    found: str
    advice: str = ""


def good(what: str, found: str) -> Finding:
    """As it should be."""
    return Finding(what, Level.GREEN, found)


def worth_knowing(what: str, found: str, advice: str) -> Finding:
    """Works, but less well than it could, or only a part is there."""
    return Finding(what, Level.YELLOW, found, advice)


def bad(what: str, found: str, advice: str) -> Finding:
    """Something will not work."""
    return Finding(what, Level.RED, found, advice)
