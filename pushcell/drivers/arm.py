"""What every arm driver offers to ``arm_node``."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from pushcell.geometry import Array


@dataclass(frozen=True)
class ArmStatus:
    """One report of the arm; (7,) each, [rad], [rad/s], [Nm]."""

    position: Array
    velocity: Array
    torque: Array


class ArmDriver(Protocol):
    """A link to an arm in position mode; a context manager, which closes the link at its end."""

    def __enter__(self) -> ArmDriver: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @property
    def ready(self) -> bool:
        """Whether the arm takes commands yet."""

    def receive(self, timeout_s: float) -> ArmStatus | None:
        """Wait for the arm's next report; None when none came in time. Only the newest counts."""

    def send(self, position: Array) -> None:
        """Command joint positions (7,) [rad]."""
