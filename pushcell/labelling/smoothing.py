"""Smooths a track over time: a slider that nothing pushes stands still.

A random walk (Kalman's filter and Rauch, Tung and Striebel's smoother) whose steps are as long as
the pusher may have pushed. What is alike in all pictures (calibration, shadows, the outline) does
not get less by averaging: it stays as a floor of the deviation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pushcell.geometry import Array, wrap_angles

FLOOR = np.array([0.4e-3, 0.4e-3, np.deg2rad(0.15)])
"""Standard deviation (3,) [m, m, rad] of what is alike in all pictures."""
_FAR = 16.0  # squared distance, in deviations, beyond which a fit is taken for a mistake


def smooth(poses: Array, covariances: Array, reach_m: Array, lever_m: float) -> tuple[Array, Array]:
    """Poses (T, 3) and standard deviations (T, 3) of fits (T, 3), (T, 3, 3).

    ``reach_m`` (T - 1,) is how far the slider may have moved from one to the next.
    """
    count = len(poses)
    unwrapped = poses.copy()
    unwrapped[:, 2] = np.unwrap(poses[:, 2])
    scale = np.array([1.0, 1.0, 1 / lever_m])
    walk = [np.diag((reach * scale) ** 2) for reach in reach_m]
    mean, cov = unwrapped[0], covariances[0] + np.diag((0.1 * scale) ** 2)
    means: list[Array] = []
    covs: list[Array] = []
    for k in range(count):
        if k:
            cov = cov + walk[k - 1]
        mean, cov = _updated(mean, cov, unwrapped[k], covariances[k])
        means.append(mean)
        covs.append(cov)
    for k in range(count - 2, -1, -1):
        gain = covs[k] @ np.linalg.inv(covs[k] + walk[k])
        means[k] = means[k] + gain @ (means[k + 1] - means[k])
        covs[k] = covs[k] + gain @ (covs[k + 1] - covs[k] - walk[k]) @ gain.T
    variances = np.array([np.diag(cov) for cov in covs])
    return np.array(means), np.sqrt(variances + FLOOR**2)


def _updated(mean: Array, cov: Array, seen: Array, noise: Array) -> tuple[Array, Array]:
    offset = seen - mean
    distance = float(offset @ np.linalg.solve(cov + noise, offset))
    # A fit that is far from what is likely counts for less.
    noise = noise * max(1.0, distance / _FAR) ** 2
    gain = cov @ np.linalg.inv(cov + noise)
    return mean + gain @ offset, (np.eye(3) - gain) @ cov


def wrapped(poses: Array) -> NDArray[np.float64]:
    """(T, 3) with angles in [-pi, pi)."""
    return np.column_stack([poses[:, :2], wrap_angles(poses[:, 2])])
