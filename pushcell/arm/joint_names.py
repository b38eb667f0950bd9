"""The names by which the arm's joints are known on ``/joint_states``, whatever the arm is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pushcell.geometry import Array

JOINT_NAMES = [f"joint_{i}" for i in range(1, 8)]


def in_order(names: Sequence[str], values: Iterable[float]) -> Array | None:
    """The joints' values (7,) from the base on; None unless each joint is named once."""
    joints = np.fromiter(values, float)
    if len(joints) != len(names) or sorted(names) != JOINT_NAMES:
        return None
    return joints[np.argsort(names)]
