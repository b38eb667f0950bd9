"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """How good it is."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class DoctorFinding:
    """One line: what was looked at, what was found, and what to do where it is not good."""

    what: str
    level: Severity
    found: str
    advice: str = ""


def good(what: str, found: str) -> DoctorFinding:
    """As it should be."""
    return DoctorFinding(what, Severity.GREEN, found)


def worth_knowing(what: str, found: str, advice: str) -> DoctorFinding:
    """Works, but less well than it could, or only a part is there."""
    return DoctorFinding(what, Severity.YELLOW, found, advice)


def bad(what: str, found: str, advice: str) -> DoctorFinding:
    """Something will not work."""
    return DoctorFinding(what, Severity.RED, found, advice)
