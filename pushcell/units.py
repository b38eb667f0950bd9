"""Whether numbers can be of the unit that they are taken for, and what to ask where they cannot.

Everything here is within reach of an arm's cell: what is larger was written in another unit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

LARGEST_M = 10.0
LARGEST_RAD = 6 * math.pi
"""Headings may be counted over some whole turns."""


def length_problem(values: ArrayLike) -> str:
    """Why values cannot be metres; empty where they can."""
    largest = _largest(values)
    if largest <= LARGEST_M:
        return ""
    return f"{largest:.4g} m: lengths are in metres; divide millimetres by 1000"


def angle_problem(values: ArrayLike) -> str:
    """Why values cannot be radians; empty where they can."""
    largest = _largest(values)
    if largest <= LARGEST_RAD:
        return ""
    return f"{largest:.4g} rad: angles are in radians; multiply degrees by pi / 180"


def seconds_problem(values: ArrayLike, longest_s: float) -> str:
    """Why values cannot be times of at most ``longest_s``; empty where they can."""
    largest = _largest(values)
    if largest <= longest_s:
        return ""
    nanoseconds = largest > 1e5 * longest_s
    divide = "nanoseconds by 1e9" if nanoseconds else "milliseconds by 1000"
    return f"{largest:.6g} s: times are in seconds; divide {divide}"


def _largest(values: ArrayLike) -> float:
    return float(np.max(np.abs(np.asarray(values, dtype=float)), initial=0.0))
