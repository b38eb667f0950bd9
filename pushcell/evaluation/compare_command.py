"""``pushcell compare``: reports of evaluations, trial by trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table
from tyro.conf import Positional, arg

from pushcell.command_output import show_result
from pushcell.errors import ConfigError
from pushcell.evaluation.comparison import Report, compare


@dataclass(frozen=True)
class Compare:
    """Compare evaluations of the same starts with the first one.

    The p value comes from McNemar's exact test, the 95 % interval from a bootstrap over pairs of
    trials.

    examples:
      pushcell compare state.json images.json
      pushcell compare evaluated.json runs/20260101-120000/trials.jsonl
    """

    reports: Positional[tuple[Path, ...]]
    """Two or more reports: output of `pushcell evaluate ... --json FILE`, or `trials.jsonl` of a
    rollout."""
    key: str = "success"
    """Field of each trial to compare; its values must be true or false."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises ConfigError."""
    options = tyro.cli(Compare, prog="pushcell compare", args=list(words))
    if len(options.reports) < 2:
        raise ConfigError("pushcell compare needs at least two reports")
    first, *others = map(Report.load, options.reports)
    comparisons = [compare(first, other, options.key).describe() for other in others]
    show_result({"comparisons": comparisons}, _table(comparisons), options.json)
    return 0


def _table(comparisons: list[dict[str, Any]]) -> Table:
    table = Table(title=f"against {comparisons[0]['a']}")
    for title in ("report", "trials", "A", "B", "A alone", "B alone", "difference", "p"):
        table.add_column(title, justify="left" if title == "report" else "right")
    for one in comparisons:
        low, high = one["interval95"]
        table.add_row(
            one["b"],
            *(str(one[key]) for key in ("trials", "successes_a", "successes_b")),
            *(str(one[key]) for key in ("only_a", "only_b")),
            f"{one['difference']:+.1%} [{low:+.1%}, {high:+.1%}]",
            f"{one['p']:.3g}",
        )
    return table
