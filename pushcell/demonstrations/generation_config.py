"""The configuration of a generated set of episodes, which decides about every byte of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.registry import demonstrator
from pushcell.errors import ConfigError
from pushcell.recording.episode_info import configuration_sha256
from pushcell.simulation.shifts import RUN_TIME_SHIFTS, Shifts, World


@dataclass(frozen=True)
class GenerationConfig:
    """One set of episodes, of any number; raises ConfigError for what cannot be made."""

    cell: CellConfig
    world: World
    demonstrator: str
    seed: int
    shifts: Shifts = field(default_factory=Shifts)
    noise_m: float = 0.0
    images: bool = True
    image_px: int = 128

    def __post_init__(self) -> None:
        demonstrator(self.demonstrator)
        for name in RUN_TIME_SHIFTS:
            if name in self.shifts.levels:
                raise ConfigError(
                    f"{name} is a shift of a policy's run time, and episodes have none: give it "
                    "to pushcell evaluate or pushcell robustness"
                )
        if self.world == "target" and not (self.shifts.visual_gap and self.shifts.physics_gap):
            raise ConfigError("only the source world can be without a gap to the target world")
        if not 0 <= self.noise_m < math.inf:
            raise ConfigError(f"noise must be a length of at least 0 m, not {self.noise_m}")
        if self.seed < 0:
            raise ConfigError(f"a seed must not be negative: {self.seed}")

    def describe(self) -> dict[str, Any]:
        """Plain values; two configurations give the same episodes when these are the same."""
        return {
            "world": self.world,
            "demonstrator": self.demonstrator,
            "seed": self.seed,
            "noise_m": self.noise_m,
            "shifts": dict(sorted(self.shifts.levels.items())),
            "visual_gap": self.shifts.visual_gap,
            "physics_gap": self.shifts.physics_gap,
            "image_px": self.image_px if self.images else 0,
            "configuration_sha256": configuration_sha256(self.cell),
        }
