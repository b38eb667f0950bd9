"""What every format is read as, and how arrays grow on the disk without being held in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.recording.steps import Steps
from pushcell.units import angle_problem, length_problem

# What libraries raise on metadata that are of another kind than their format says.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
_LONGEST = 300
# No set here comes near it, and one that asks for more is damaged.
MOST_BYTES = 2**32


@contextmanager
def malformed_set(where: Path) -> Iterator[None]:
    """Raise EpisodeError for whatever goes wrong with metadata that nobody has checked."""
    try:
        yield
    except _MALFORMED as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0][:_LONGEST]
        raise EpisodeError(
            f"{where}: its metadata are malformed ({told}): copy or convert it again"
        ) from None


@dataclass(frozen=True)
class Demonstration:
    """One episode of a data set."""

    name: str
    steps: Steps


class DataSet(Protocol):
    """Episodes, read one by one."""

    def __len__(self) -> int:
        """How many episodes."""

    def __iter__(self) -> Iterator[Demonstration]:
        """Each in turn; raises EpisodeError that names the one which cannot be read."""


@runtime_checkable
class Selective(Protocol):
    """A data set that does not give all of its episodes; ``left_out`` counts them by reason."""

    left_out: Counter[str]


def require_units(steps: Steps, where: str) -> None:
    """Raise EpisodeError for an episode that is not in metres and radians."""
    poses = {"pusher": steps.pusher}
    if steps.has_slider:
        poses |= {"slider": steps.slider, "goal": steps.goal}
    for name, values in poses.items():
        problem = length_problem(values[..., :2]) or angle_problem(values[..., 2])
        if problem:
            raise EpisodeError(f"{where}: the {name} is at {problem}")
    if problem := length_problem(steps.action):
        raise EpisodeError(f"{where}: an action is at {problem}")


def check_ends(ends: NDArray[np.int64], rows: int, where: str) -> None:
    """Raise EpisodeError unless the ends of episodes increase and the last is ``rows``."""
    starts = np.concatenate([[0], ends[:-1]])
    for episode in np.flatnonzero(ends <= starts):
        raise EpisodeError(
            f"{where}: episode {episode} ends at step {ends[episode]} where it begins at "
            f"{starts[episode]}: the ends must increase"
        )
    last = int(ends[-1]) if len(ends) else 0
    if last != rows:
        raise EpisodeError(
            f"{where}: the last episode ({len(ends) - 1}) ends at step {last}, but there are "
            f"{rows} steps: the set was cut off or put together wrongly"
        )
