"""Whether one policy is better than another, from trials of both that began alike."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pushcell.errors import ConfigError
from pushcell.evaluation.sequential import anytime_p, decided_after, probability_higher
from pushcell.geometry import Array

_RESAMPLES = 10_000
_SAME_WORLD = ("world", "time_step_s")
_Trials = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Report:
    """What ``pushcell evaluate --json`` or a rollout, as ``trials.jsonl``, has written."""

    name: str
    values: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read one; raises ConfigError for what is none."""
        try:
            text = path.read_text(encoding="utf-8")
            values = _rollout(text) if path.suffix == ".jsonl" else json.loads(text)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read as a report ({error})") from None
        trials = values.get("per_trial") if isinstance(values, dict) else None
        if not isinstance(trials, list) or not trials or not all(map(_is_trial, trials)):
            raise ConfigError(
                f"{path} is no report of trials: make one with pushcell evaluate ... --json FILE, "
                "or take the trials.jsonl of a rollout"
            )
        return cls(str(path), values)

    @property
    def trials(self) -> _Trials:
        """By their seeds; void ones say nothing of the policy and are left out."""
        told = (trial for trial in self.values["per_trial"] if not trial.get("void"))
        return {trial["seed"]: trial for trial in told}

    def chosen(self, seeds: Set[int] | None) -> _Trials:
        """The trials of these seeds; None: of all."""
        return {seed: one for seed, one in self.trials.items() if seeds is None or seed in seeds}


@dataclass(frozen=True)
class Comparison:
    """B against A over the same starts; a difference is that of B less that of A."""

    a: str
    b: str
    trials: int
    successes: tuple[int, int]  # of A and of B
    only: tuple[int, int]  # trials in which A alone succeeded, in which B alone did
    difference: float  # of the success rates
    interval95: tuple[float, float]  # of the difference
    p: float  # that chance alone makes the two differ so much, the number of trials being fixed
    anytime_p: Array  # (trials,) after each trial, by seed; holds whenever one stops
    b_better: float  # posterior probability that B's success rate is the higher one

    def describe(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "a": self.a,
            "b": self.b,
            "trials": self.trials,
            "successes_a": self.successes[0],
            "successes_b": self.successes[1],
            "only_a": self.only[0],
            "only_b": self.only[1],
            "difference": self.difference,
            "interval95": list(self.interval95),
            "p": self.p,
            "anytime_p": float(self.anytime_p[-1]),
            "decided_after": decided_after(self.anytime_p),
            "b_better": self.b_better,
        }


def compare(
    a: Report, b: Report, key: str = "success", seed: int = 0, so_far: bool = False
) -> Comparison:
    """Compare how often ``key`` is true; raises ConfigError unless both began alike.

    p is of McNemar's exact test, the interval of a bootstrap over pairs. So far: only the seeds
    that both have, while trials are still to come.
    """
    common = a.trials.keys() & b.trials.keys() if so_far else None
    ours, theirs = a.chosen(common), b.chosen(common)
    _check_alike(a, b, ours, theirs)
    for report, trials in ((a, ours), (b, theirs)):
        if not all(isinstance(trial.get(key), bool) for trial in trials.values()):
            raise ConfigError(f"{report.name}: the trials do not tell {key!r} as true or false")
    first, second = (
        np.array([trials[number][key] for number in sorted(ours)]) for trials in (ours, theirs)
    )
    differences = second.astype(int) - first.astype(int)
    only = (int((differences < 0).sum()), int((differences > 0).sum()))
    return Comparison(
        a.name,
        b.name,
        len(differences),
        (int(first.sum()), int(second.sum())),
        only,
        float(differences.mean()),
        bootstrap_interval(differences, seed),
        mcnemar_exact(*only),
        anytime_p(differences),
        probability_higher(int(first.sum()), int(second.sum()), len(differences)),
    )


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided p of so uneven a split of the pairs that differ, if either way were as likely."""
    count, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(count, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**count)


def bootstrap_interval(differences: Sequence[float] | np.ndarray, seed: int) -> tuple[float, float]:
    """95 % interval of the mean of paired differences."""
    values = np.asarray(differences, dtype=float)
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _rollout(text: str) -> dict[str, Any]:
    """A rollout's records as a report; what physics a rollout ran with it does not tell.

    A last line without an end is of a trial that is being written, or never was.
    """
    whole = text[: text.rfind("\n") + 1]
    return {"world": "target", "per_trial": [json.loads(line) for line in whole.splitlines()]}


def _is_trial(values: Any) -> bool:
    return isinstance(values, dict) and {"seed", "start", "success"} <= set(values)


def _check_alike(a: Report, b: Report, ours: _Trials, theirs: _Trials) -> None:
    for key in _SAME_WORLD:
        one, other = a.values.get(key), b.values.get(key)
        if key in a.values and key in b.values and one != other:
            raise ConfigError(f"{a.name} has {key} {one}, {b.name} has {other}: not comparable")
    if not ours or set(ours) != set(theirs):
        raise ConfigError(
            f"{a.name} and {b.name} are of different seeds: evaluate both with the same --seed "
            "and --trials, or compare with --so-far the seeds that both have"
        )
    for number in sorted(ours):
        if ours[number]["start"] != theirs[number]["start"]:
            raise ConfigError(
                f"the trials of seed {number} begin differently in {a.name} and {b.name}"
            )
