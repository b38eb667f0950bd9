"""The arm's joints on ``/joint_states``, by the names that its URDF gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pushcell.geometry import Array


def in_order(joints: Sequence[str], names: Sequence[str], values: Iterable[float]) -> Array | None:
    """The values (n,) of ``joints``, which are from the base on, given by ``names`` in any order.

    None unless each joint is named once, and no other.
    """
    positions = np.fromiter(values, float)
    if len(positions) != len(names) or sorted(names) != sorted(joints):
        return None
    return positions[[names.index(joint) for joint in joints]]
