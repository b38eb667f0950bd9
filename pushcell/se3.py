"""Rigid transforms as (4, 4) matrices, and small changes of them as twists (6,).

A twist is (rotation vector [rad], translation [m]). ``change(w, v)`` is (exp(w), v), which to
first order is the exponential; all that is done with twists here is done to first order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from pushcell.geometry import Array


def transform(rotation: ArrayLike, translation: ArrayLike) -> Array:
    """(..., 4, 4) from rotations (..., 3, 3) and translations (..., 3)."""
    R, t = np.asarray(rotation, dtype=float), np.asarray(translation, dtype=float)
    T = np.zeros((*R.shape[:-2], 4, 4))
    T[..., :3, :3], T[..., :3, 3], T[..., 3, 3] = R, t, 1.0
    return T


def from_rvec(rvec: ArrayLike, translation: ArrayLike) -> Array:
    """(4, 4) from a rotation vector (3,) [rad] and a translation (3,) [m]."""
    return transform(Rotation.from_rotvec(np.ravel(rvec)).as_matrix(), np.ravel(translation))


def inverse(T: Array) -> Array:
    """The inverses of (..., 4, 4)."""
    R = np.swapaxes(T[..., :3, :3], -1, -2)
    return transform(R, -(R @ T[..., :3, 3:])[..., 0])


def change(twist: Array) -> Array:
    """(..., 4, 4) of twists (..., 6)."""
    flat = np.reshape(twist, (-1, 6))
    T = transform(Rotation.from_rotvec(flat[:, :3]).as_matrix(), flat[:, 3:])
    return T.reshape(*np.shape(twist)[:-1], 4, 4)


def difference(T: Array) -> Array:
    """Twists (..., 6) of (..., 4, 4): the inverse of ``change``."""
    flat = T.reshape(-1, 4, 4)
    w = Rotation.from_matrix(flat[:, :3, :3]).as_rotvec()
    return np.hstack([w, flat[:, :3, 3]]).reshape(*T.shape[:-2], 6)


def skew(v: Array) -> Array:
    """(..., 3, 3) cross-product matrices of (..., 3)."""
    K = np.zeros((*v.shape, 3))
    K[..., 0, 1], K[..., 0, 2], K[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    return K - np.swapaxes(K, -1, -2)


def adjoint(T: Array) -> Array:
    """(..., 6, 6): ``T change(x) == change(adjoint(T) x) T`` to first order."""
    A = np.zeros((*T.shape[:-2], 6, 6))
    R = T[..., :3, :3]
    A[..., :3, :3] = A[..., 3:, 3:] = R
    A[..., 3:, :3] = skew(T[..., :3, 3]) @ R
    return A


def mean(T: Array, weights: Array | None = None) -> Array:
    """(4, 4) mean of (N, 4, 4)."""
    R = Rotation.from_matrix(T[:, :3, :3]).mean(weights).as_matrix()
    return transform(R, np.average(T[:, :3, 3], axis=0, weights=weights))


def errors(T: Array, reference: Array) -> tuple[Array, Array]:
    """Distances [m] and angles [rad] (...) between (..., 4, 4) and a reference."""
    off = difference(inverse(reference) @ T)
    return np.linalg.norm(off[..., 3:], axis=-1), np.linalg.norm(off[..., :3], axis=-1)
