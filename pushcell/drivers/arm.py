"""What every arm driver offers, and the names of all that can go wrong with an arm."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pushcell.geometry import Array


class Fault(str, Enum):
    """Why an arm must not be commanded any more; the value is said to people."""

    SILENT = "the arm stopped reporting"
    REPORT_GAP = "reports of the arm got lost"
    RESTARTED = "the arm's clock went back, so its driver was restarted"
    LINK_LOST = "the arm takes no commands"
    UNSTAMPED = "the arm's reports have no stamps"
    MALFORMED = "the arm's report is malformed or not finite"
    JOINTS_MISSING = "the arm's report lacks joints"
    OUTSIDE_RANGE = "a joint reports a position that it cannot have"
    EXTERNAL_TORQUE = "something turns a joint harder than allowed"
    OFF_COMMAND = "the arm is not where it was commanded to be"
    FROZEN = "the arm's reports do not change though it is commanded to move"
    OTHER_COMMANDER = "somebody else commands the arm too"


@dataclass(frozen=True)
class ArmFault:
    """A fault and what was seen of it, with figures."""

    kind: Fault
    detail: str

    def __str__(self) -> str:
        return f"{self.kind.value} ({self.detail})"


@dataclass(frozen=True)
class ArmReport:
    """One report of the arm; (n,) each, [rad], [rad/s], [Nm]; None where the arm does not say.

    ``time_s`` is of the arm's own clock.
    """

    time_s: float
    position: Array
    velocity: Array | None = None
    torque: Array | None = None
    external_torque: Array | None = None


class ArmDriver(AbstractContextManager["ArmDriver"], Protocol):
    """The link to an arm in position mode; a context manager, which closes it at its end."""

    @property
    def waits_for(self) -> str | None:
        """What is missing before the arm takes commands, in words; None when it takes them."""

    def receive(self) -> ArmReport | ArmFault | None:
        """The next report, or what is wrong with it; does not wait."""

    def send(self, position: Array) -> None:
        """Command joint positions (n,) [rad]."""
