"""The options that studies over random starts have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from pushcell.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """A study: many trials, kept in a folder, of the same starts under each condition."""

    out: Annotated[Path, arg(metavar="DIR")]
    """Folder for what was run and for the picture."""
    trials: int = 25
    """Number of starts of each condition."""
    seed: int = 0
    """Seed of the first start; start i has this seed plus i."""
    workers: int | None = None
    """Number of processes; by default one per CPU."""
    time_step: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Time step of the physics; by default that of the cell file."""
    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""

    @property
    def seeds(self) -> range:
        """Of all starts; raises ConfigError for none."""
        if self.trials < 1 or self.seed < 0:
            raise ConfigError("--trials must be at least 1, --seed at least 0")
        return range(self.seed, self.seed + self.trials)
