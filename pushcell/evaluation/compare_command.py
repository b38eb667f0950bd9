"""``pushcell compare``: reports of evaluations, trial by trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table
from tyro.conf import Positional, arg

from pushcell.command_output import show_result
from pushcell.errors import ConfigError
from pushcell.evaluation.comparison import Report, compare
from pushcell.evaluation.comparison_picture import draw


@dataclass(frozen=True)
class Compare:
    """Compare evaluations of the same starts with the first one.

    p comes from McNemar's exact test, for a number of trials chosen beforehand; the 95 % interval
    from a bootstrap over pairs of trials. "p, any time" holds whenever you stop: compare after
    each trial, and stop as soon as it is at most 0.05. "decided after" is when that was.

    examples:
      pushcell compare state.json images.json
      pushcell compare evaluated.json runs/20260101-120000/trials.jsonl --so-far
    """

    reports: Positional[tuple[Path, ...]]
    """Two or more reports: output of `pushcell evaluate ... --json FILE`, or `trials.jsonl` of a
    rollout."""
    key: str = "success"
    """Field of each trial to compare; its values must be true or false."""
    so_far: bool = False
    """Compare only the seeds that all reports have, while trials are still to come."""
    picture: Path | None = None
    """Draw what the trials say of each success rate, and p after each trial, to this file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises ConfigError."""
    options = tyro.cli(Compare, prog="pushcell compare", args=list(words))
    if len(options.reports) < 2:
        raise ConfigError("pushcell compare needs at least two reports")
    first, *others = map(Report.load, options.reports)
    found = [compare(first, other, options.key, so_far=options.so_far) for other in others]
    if options.picture is not None:
        draw(found, options.picture)
    comparisons = [one.describe() for one in found]
    show_result({"comparisons": comparisons}, _table(comparisons), options.json)
    return 0


def _table(comparisons: list[dict[str, Any]]) -> Table:
    """A column for each report that is compared with the first, A."""
    table = Table(title=f"A: {comparisons[0]['a']}")
    table.add_column("")
    for one in comparisons:
        table.add_column(f"B: {one['b']}", justify="right", overflow="fold")
    for title, shown in _ROWS.items():
        table.add_row(title, *map(shown, comparisons))
    return table


def _difference(one: dict[str, Any]) -> str:
    low, high = one["interval95"]
    return f"{one['difference']:+.1%} [{low:+.1%}, {high:+.1%}]"


def _decided(one: dict[str, Any]) -> str:
    return "not yet" if one["decided_after"] is None else f"{one['decided_after']} trials"


_ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "trials": lambda one: str(one["trials"]),
    "successes of A, of B": lambda one: f"{one['successes_a']}, {one['successes_b']}",
    "A alone, B alone": lambda one: f"{one['only_a']}, {one['only_b']}",
    "difference": _difference,
    "p": lambda one: f"{one['p']:.3g}",
    "p, any time": lambda one: f"{one['anytime_p']:.3g}",
    "decided after": _decided,
    "B is better, probability": lambda one: f"{one['b_better']:.3g}",
}
