"""Power laws: how the action error of held-out episodes falls with the number of source episodes.

error = a * n^b, by least squares in the logarithms over all cells, seeds among them. The interval
of b is from a bootstrap over cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from pushcell.studies.schema import TARGET

Row = dict[str, Any]
Floats = NDArray[np.float64]
GROUPED_BY = ("target", "alpha", "variant")
_LEAST_SIZES = 3
_DRAWS, _SEED = 2000, 0


def power_laws(rows: Sequence[Row]) -> list[Row]:
    """A row for each (target, alpha, variant) with cells of three or more numbers of episodes."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.get("source"):
            groups.setdefault(tuple(row[key] for key in GROUPED_BY), []).append(row)
    laws = []
    for key, group in groups.items():
        errors = [error for row in group if (error := target_error(row))]
        if len(errors) < len(group) or len({row["source"] for row in group}) < _LEAST_SIZES:
            continue
        law = fitted(np.array([row["source"] for row in group], float), np.array(errors))
        laws.append({**dict(zip(GROUPED_BY, key, strict=True)), **law})
    return laws


def target_error(row: Row) -> float | None:
    """A cell's action error in held-out target episodes; None where none were held out.

    A training on the target alone has one error, one on several sets that of each set. Where a
    study has no target sets, it is that of all there are.
    """
    alone = row.get("target", 1) and not row.get("source")
    name = "validation_action_error" if alone else f"validation_action_error_{TARGET}"
    return row["validation"].get(name)


def fitted(episodes: Floats, errors: Floats) -> Row:
    """Factor a, exponent b and its 95 % interval, of numbers of episodes (N,) and errors (N,)."""
    x, y = np.log(episodes), np.log(errors)
    exponent = float(_slopes(x[None], y[None])[0])
    drawn = np.random.default_rng(_SEED).integers(0, len(x), (_DRAWS, len(x)))
    drawn = drawn[np.ptp(x[drawn], axis=1) > 0]  # one number of episodes has no slope
    low, high = np.percentile(_slopes(x[drawn], y[drawn]), [2.5, 97.5])
    return {
        "factor": float(np.exp(y.mean() - exponent * x.mean())),
        "exponent": exponent,
        "bootstrap95": [float(low), float(high)],
        "cells": len(x),
    }


def law_table(laws: Sequence[Row]) -> Table:
    """For people."""
    shown = Table(title="action error = a * (source episodes)^b")
    for title in (*GROUPED_BY, "cells", "b", "95 % interval"):
        shown.add_column(title, justify="left" if title == "variant" else "right")
    for law in laws:
        low, high = law["bootstrap95"]
        words = [str(law[key]) for key in (*GROUPED_BY, "cells")]
        shown.add_row(*words, f"{law['exponent']:.2f}", f"{low:.2f} to {high:.2f}")
    return shown


def _slopes(x: Floats, y: Floats) -> Floats:
    """(B,) of the least-squares lines through points (B, N)."""
    x = x - x.mean(1, keepdims=True)
    return (x * y).sum(1) / (x * x).sum(1)
