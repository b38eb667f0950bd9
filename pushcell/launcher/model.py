"""What a launch file comes to once every condition and substitution has been settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ParameterValue = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]
ParameterGroup = dict[str, ParameterValue] | Path


@dataclass(frozen=True)
class RosArguments:
    """What a node is told after ``--ros-args``; later parameters win over earlier ones."""

    name: str | None = None
    namespace: str | None = None
    extra: tuple[str, ...] = ()
    parameters: tuple[ParameterGroup, ...] = ()
    remappings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ProcessSpec:
    """One process to start. ``label`` is its own within a run."""

    label: str
    program: tuple[str, ...]
    environment: Mapping[str, str]
    output: Literal["screen", "log", "both"]
    ends_run: bool
    ros: RosArguments | None = None


@dataclass(frozen=True)
class Argument:
    """An argument that a launch file declares."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...]
    conditional: bool


@dataclass
class Launch:
    """Everything that a launch file asks for."""

    processes: list[ProcessSpec] = field(default_factory=list)
