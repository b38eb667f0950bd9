"""Comparing pair by pair: evidence that holds at whatever trial one stops.

The evidence is a bet on the pairs that differ, which under equal policies fall to either side like
a fair coin. By Ville's inequality it exceeds 1 / p at any time with a probability of at most p, so
one may look after every trial (Howard et al. 2021, "Time-uniform, nonparametric, nonasymptotic
confidence sequences"; Ramdas et al. 2023, "Game-theoretic statistics and safe anytime-valid
inference").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pushcell.geometry import Array

LEVEL = 0.05


def log_evidence(only_a: int, only_b: int) -> float:
    """Log of the bet's wealth: how much likelier the split is under coins of any bias alike."""
    count = only_a + only_b
    any_bias = math.lgamma(only_a + 1) + math.lgamma(only_b + 1) - math.lgamma(count + 2)
    return any_bias + count * math.log(2)


def anytime_p(differences: Sequence[int] | NDArray[np.int64]) -> Array:
    """(N,) p after each pair, valid whenever one stops; +1 where B alone succeeds, -1 where A."""
    only_a, only_b, most, ps = 0, 0, 0.0, []
    for difference in differences:
        only_a, only_b = only_a + (difference < 0), only_b + (difference > 0)
        most = max(most, log_evidence(only_a, only_b))
        ps.append(math.exp(-most))
    return np.array(ps)


def decided_after(ps: Array, level: float = LEVEL) -> int | None:
    """The number of pairs after which one could have stopped; None: not yet."""
    decided = np.flatnonzero(ps <= level)
    return int(decided[0]) + 1 if len(decided) else None


def posterior_density(rates: Array, successes: int, trials: int) -> Array:
    """Density of the success rate at these ``rates``; before, every rate was as likely."""
    fitting = np.zeros_like(rates)
    inner = (rates > 0) & (rates < 1)
    failures = trials - successes
    constant = math.lgamma(trials + 2) - math.lgamma(successes + 1) - math.lgamma(failures + 1)
    logs = successes * np.log(rates[inner]) + failures * np.log1p(-rates[inner])
    fitting[inner] = np.exp(constant + logs)
    fitting[rates == 0] = trials + 1.0 if successes == 0 else 0.0
    fitting[rates == 1] = trials + 1.0 if failures == 0 else 0.0
    return fitting


def probability_higher(successes: int, other_successes: int, trials: int) -> float:
    """That the second success rate is the higher one, of as many trials each."""
    rates = np.linspace(0, 1, 4001)
    density, other = (posterior_density(rates, s, trials) for s in (successes, other_successes))
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)]) * rates[1]
    return float(np.trapezoid(below * other, rates))
