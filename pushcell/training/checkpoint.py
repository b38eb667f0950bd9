"""Checkpoints: weights with the configuration that they belong to, written whole or not at all."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from pushcell.errors import TrainingError
from pushcell.training.build_policy import make_policy
from pushcell.training.config import TrainConfig, train_config_of
from pushcell.training.policy import TrainablePolicy

VERSION = 2


@dataclass(frozen=True)
class Checkpoint:
    """A training run after so many steps."""

    config: dict[str, Any]
    step: int
    policy: dict[str, Any]  # the weights that are trained
    average: dict[str, Any]  # their moving average, which is what is used
    optimiser: dict[str, Any]
    precision: dict[str, Any]  # what losses are scaled by with 16-mixed; else empty
    recent: list[float]  # losses since the last line of the log
    validation: dict[str, float]
    episodes: dict[str, int]  # of each data set, those trained on
    shares: dict[str, float]
    version: int = field(default=VERSION)

    def save(self, path: Path) -> None:
        """Write it in place of an older one."""
        partial = path.with_name(f"{path.name}.partial")
        try:
            with partial.open("wb") as file:
                torch.save(asdict(self), file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise TrainingError(
                f"{path} cannot be written ({error.strerror}); the one before it stays"
            ) from None

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read one; nothing in it is executed. Raises TrainingError for what is none."""
        if not path.is_file():
            raise TrainingError(f"there is no checkpoint {path}")
        try:
            values = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001 - torch raises whatever a broken zip leads to
            first = (str(error) or type(error).__name__).splitlines()[0]
            raise TrainingError(f"{path} is not a checkpoint, or is damaged ({first})") from None
        version = values.get("version") if isinstance(values, dict) else None
        if version != VERSION:
            raise TrainingError(
                f"{path} is a checkpoint of version {version}, this program reads {VERSION}: "
                "export it with the program that wrote it, or train again"
            )
        if set(values) != {part.name for part in fields(cls)}:
            raise TrainingError(f"{path} is not a checkpoint, or is damaged (parts are missing)")
        return cls(**values)

    def train_config(self, origin: Path) -> TrainConfig:
        """The configuration; raises ConfigError where this program's schema is another."""
        return train_config_of(self.config, f"the configuration in {origin}")

    def averaged_policy(self, origin: Path) -> TrainablePolicy:
        """The policy with its averaged weights, ready to use."""
        policy = make_policy(self.train_config(origin))
        fill(policy, self.average, origin)
        return policy.eval()


def fill(policy: torch.nn.Module, weights: dict[str, Any], origin: Path) -> None:
    """Put weights into their network; TrainingError where they are those of another one."""
    try:
        policy.load_state_dict(weights)
    except RuntimeError as error:
        difference = " ".join(str(error).split()[-12:])
        raise TrainingError(
            f"the weights in {origin} belong to networks of another version ({difference}): "
            "export it with the program that wrote it, or train again"
        ) from None
