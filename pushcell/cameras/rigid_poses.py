"""Whether matrices that somebody gave are rigid poses in metres."""

from __future__ import annotations

import numpy as np

from pushcell.errors import CalibrationError
from pushcell.geometry import Array
from pushcell.units import length_problem


def check_poses(poses: Array, names: tuple[str, ...], what: str) -> None:
    """Raise CalibrationError for what are not rigid transforms in metres, naming the first."""
    if not np.isfinite(poses).all():
        bad = int(np.argmin(np.isfinite(poses).all(axis=(1, 2))))
        raise CalibrationError(f"pose {what}, {names[bad]}: not finite; leave it out")
    R = poses[:, :3, :3]
    skewed = np.abs(R @ np.swapaxes(R, 1, 2) - np.eye(3)).max(axis=(1, 2)) > 1e-3
    bottom = np.abs(poses[:, 3] - [0, 0, 0, 1]).max(axis=1) > 1e-6
    bad_rows = np.flatnonzero(skewed | bottom | (np.linalg.det(R) < 0))
    if bad_rows.size:
        raise CalibrationError(
            f"pose {what}, {names[bad_rows[0]]}: is not a rigid transform (rotation matrix and "
            "translation over the row 0 0 0 1); are rows and columns swapped?"
        )
    far = float(np.median(np.linalg.norm(poses[:, :3, 3], axis=1)))
    if problem := length_problem(far):
        raise CalibrationError(f"poses {what} are as far away as {problem}")
