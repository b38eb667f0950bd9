"""Quasi-static pushing under the ellipsoidal limit surface.

The slider's friction with the table bounds the wrench that it resists by an ellipsoid whose one
parameter c [m] is the ratio of largest torque to largest force. A slider that slips moves
along the ellipsoid's normal: a force f at a point p of the slider (both in its frame, whose
origin is the centre of mass) gives the twist (f, (p x f) / c^2) up to a positive factor.
"""

from __future__ import annotations

import math

import numpy as np

from pushcell.geometry import Array


def push_twists(points: Array, forces: Array, c_m: float) -> Array:
    """Twists (..., 3) of the slider under forces (..., 2) at points (..., 2), in its frame."""
    torque = points[..., 0] * forces[..., 1] - points[..., 1] * forces[..., 0]
    return np.concatenate([forces, torque[..., None] / c_m**2], axis=-1)


def dragging_force(px: float, py: float, vx: float, vy: float, c_m: float) -> tuple[float, float]:
    """The force direction at (px, py) under which that point moves with velocity (vx, vy)."""
    turn = (px * vy - py * vx) / (c_m * c_m + px * px + py * py)
    return vx + py * turn, vy - px * turn


def dragged_turn(lever_x: float, lever_y: float, dx: float, dy: float, c_m: float) -> float:
    """How far the slider turns [rad] while a point of it is dragged along (dx, dy), straight.

    The lever goes from the centre of mass to the point, before the move. Exact for any length:
    the angle a between lever and motion obeys da/ds = -k sin(a), so tan(a / 2) decays as
    exp(-k s).
    """
    lever = math.hypot(lever_x, lever_y)
    decay = math.exp(-lever / (c_m * c_m + lever * lever) * math.hypot(dx, dy))
    before = math.atan2(lever_x * dy - lever_y * dx, lever_x * dx + lever_y * dy)
    return before - 2 * math.atan2(math.sin(before / 2) * decay, math.cos(before / 2))
