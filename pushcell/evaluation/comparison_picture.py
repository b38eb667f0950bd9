"""What trials say of success rates, drawn: posteriors, and the evidence as trials came in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pushcell.command_output import write_picture
from pushcell.evaluation.comparison import Comparison
from pushcell.evaluation.sequential import LEVEL, posterior_density

_RATES = np.linspace(0, 1, 1001)


def draw(comparisons: Sequence[Comparison], picture: Path) -> None:
    """Left the posterior of each success rate, right p at any time over the number of trials."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    rates, evidence = figure.subplots(1, 2)
    first = comparisons[0]
    shown = [(first.a, first.successes[0], first.trials, "black")]
    shown += [(one.b, one.successes[1], one.trials, f"C{k}") for k, one in enumerate(comparisons)]
    for name, successes, trials, colour in shown:
        density = posterior_density(_RATES, successes, trials)
        rates.plot(_RATES, density, color=colour, label=f"{name}: {successes} of {trials}")
        rates.fill_between(_RATES, density, color=colour, alpha=0.2)
    rates.set(xlabel="success rate", ylabel="posterior density", xlim=(0, 1), ylim=(0, None))
    for k, one in enumerate(comparisons):
        count = np.arange(1, one.trials + 1)
        evidence.step(count, one.anytime_p, where="post", color=f"C{k}", label=one.b)
    evidence.axhline(LEVEL, color="grey", linestyle="--")
    evidence.set(xlabel="trials", ylabel="p, any time", yscale="log")
    for axes in (rates, evidence):
        axes.legend(fontsize="small")
    write_picture(figure, picture, dpi=110)
