"""Between the package's poses and Drake's."""

from __future__ import annotations

from pydrake.math import RigidTransform

from pushcell.geometry import Pose


def to_drake(pose: Pose) -> RigidTransform:
    """The same pose as Drake's type."""
    return RigidTransform(pose.matrix())


def from_drake(transform: RigidTransform) -> Pose:
    """The same pose as the package's type."""
    return Pose.from_matrix(transform.GetAsMatrix4())
