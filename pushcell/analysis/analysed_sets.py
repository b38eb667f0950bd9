"""The data sets of a checkpoint, each split into windows to learn from and windows to judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pushcell.errors import TrainingError
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.config import DataConfig, FixedMixture, TrainConfig
from pushcell.training.data_module import DataModule
from pushcell.training.trainer import check_same_data
from pushcell.training.windows import Indices, Windows, split_episodes

_DEFAULT_TARGET = "target"
_LEAST_EPISODES = 2  # of each set, for what a probe is judged on
_PROBE_SHARE = 0.25  # of the training episodes, where too few are held out


@dataclass(frozen=True)
class AnalysedSet:
    """One data set; no episode is both in ``probe_train`` and ``probe_test``.

    Nor in ``searched`` and ``held_out``, which the policy has not been trained on if ``unseen``.
    """

    name: str
    is_target: bool
    probe_train: Windows
    probe_test: Windows
    searched: Windows
    held_out: Windows
    unseen: bool


def analysed_sets(
    checkpoint: Checkpoint, path: Path, target: str | None
) -> tuple[list[AnalysedSet], list[str]]:
    """The sets that a checkpoint was trained on, and notes about how they are split.

    ``target`` is the name of the target set. Raises TrainingError or EpisodeError.
    """
    config = checkpoint.train_config(path)
    name = target_of(config.data, target, path)
    _check_there(config.data, path)
    data_module = DataModule.of(config)
    check_same_data(checkpoint, data_module, path)
    pairs = list(zip(data_module.train, data_module.validation, strict=True))
    few = [t.data_set.name for t, v in pairs if episodes_of(v) < _LEAST_EPISODES]
    sets = [_analysed(config, t, v, name, bool(few)) for t, v in pairs]
    notes = []
    if few:
        notes.append(
            f"The probes are judged on training episodes, a quarter of each set that no probe was "
            f"trained on, because fewer than {_LEAST_EPISODES} episodes are held out of: "
            f"{', '.join(few)}."
        )
    if seen := [one.name for one in sets if not one.unseen]:
        notes.append(
            "The policy was trained on the episodes that its actions are compared with, because "
            f"none is held out of: {', '.join(seen)}."
        )
    return sets, notes


def target_of(data: DataConfig, asked: str | None, path: Path) -> str:
    """The name of the target set; raises TrainingError where there is none, or nothing else."""
    names = [item.name for item in data.sets]
    if len(names) < 2:
        raise TrainingError(
            f"{path} was trained on data set {names[0]!r} alone: pushcell analyse compares a "
            "target set with others, so it needs a training on two data sets or more"
        )
    name = asked
    if name is None:
        fixed = isinstance(data.mixture, FixedMixture)
        name = data.mixture.target if fixed else _DEFAULT_TARGET  # type: ignore[union-attr]
    if name not in names:
        raise TrainingError(
            f"{path} was trained on {', '.join(names)}, not on a data set {name!r}: name one of "
            "them with --target"
        )
    return name


def drawn(windows: Windows, count: int, rng: np.random.Generator) -> Indices:
    """So many of the windows at random, or all there are, in order."""
    return np.sort(rng.permutation(len(windows))[:count])


def _check_there(data: DataConfig, path: Path) -> None:
    for item in data.sets:
        if not item.path.exists():
            raise TrainingError(
                f"data set {item.name!r} of {path} is not at {item.path}: put it back, or run this "
                "in the folder that the training ran in"
            )


def _analysed(
    config: TrainConfig, train: Windows, validation: Windows, target: str, splits: bool
) -> AnalysedSet:
    name = train.data_set.name
    probe_train, probe_test = _halves(train, config) if splits else (train, validation)
    unseen = len(validation) > 0
    searched, held_out = (train, validation) if unseen else (probe_train, probe_test)
    for windows in (probe_train, probe_test, searched, held_out):
        if len(windows) == 0:
            raise TrainingError(
                f"data set {name!r} has windows of {episodes_of(train)} episodes to learn from and "
                f"of {episodes_of(validation)} held out, too few to analyse: train on more episodes"
            )
    return AnalysedSet(name, name == target, probe_train, probe_test, searched, held_out, unseen)


def _halves(windows: Windows, config: TrainConfig) -> tuple[Windows, Windows]:
    """Windows of some of their episodes, and those of the others."""
    starts = np.unique(windows.first)
    episodes = np.searchsorted(windows.data_set.starts, starts)
    chosen, kept = split_episodes(len(episodes), _PROBE_SHARE, config.seed)
    action, data_set = config.action, windows.data_set
    first, second = (
        Windows.over(data_set, episodes[part], action.horizon, action.padding)
        for part in (chosen, kept)
    )
    return first, second


def episodes_of(windows: Windows) -> int:
    """The number of episodes that have a window among these."""
    return len(np.unique(windows.first))
