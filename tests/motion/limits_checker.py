"""Finds violations in sampled output alone; shares no code with what it checks.

Differences of equally spaced samples bound the derivatives: the mean of a function is never above
its maximum, so a motion within its limits cannot fail here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import yaml

_REL = 1.0 + 1e-4
# What rounding makes of positions of order 1 in the first, second and third difference.
_EPS = 1e-12


def violations(cell_yaml: str, period_s: float, tips: np.ndarray, joints: np.ndarray) -> list[str]:
    """Names and sizes of violated limits in tips (N, 2) [m] and joints (N, 7) [rad]."""
    cell = _parsed(cell_yaml)
    motion, arm = cell["motion"], cell["arm"]
    speed = max(motion[source]["speed_m_s"] for source in ("policy", "teleop"))
    acceleration = max(motion[k]["acceleration_m_s2"] for k in ("policy", "teleop", "stop"))
    jerk = max(motion[k]["jerk_m_s3"] for k in ("policy", "teleop", "stop"))
    ends = np.radians([170, 120, 170, 120, 170, 120, 175]) - arm["joint_position_margin_rad"]
    found = [
        ("not finite", float(not (np.isfinite(tips).all() and np.isfinite(joints).all())), 0.5),
        ("workspace [m]", _outside(tips, np.array(cell["workspace"]["corners_m"])), 0.0),
        ("speed [m/s]", _largest(tips, 1, period_s), speed),
        ("acceleration [m/s^2]", _largest(tips, 2, period_s), acceleration),
        ("jerk [m/s^3]", _largest(tips, 3, period_s), jerk),
        *_of_joints("position [rad]", np.abs(joints), ends),
        *_of_joints(
            "velocity [rad/s]", _rate(joints, 1, period_s), arm["joint_velocity_limits_rad_s"]
        ),
        *_of_joints(
            "acceleration [rad/s^2]",
            _rate(joints, 2, period_s),
            arm["joint_acceleration_limits_rad_s2"],
        ),
    ]
    return [
        f"{name}: {value:.6g} > {limit:.6g}"
        for name, value, limit in found
        if value > limit * _REL + 1e-9
    ]


@cache
def _parsed(cell_yaml: str) -> dict[str, Any]:
    """Reading a cell's file takes longer than all of a check."""
    return yaml.safe_load(cell_yaml)


def _rate(samples: np.ndarray, order: int, period_s: float) -> np.ndarray:
    rounding = _EPS * 2**order / period_s**order
    return np.maximum(np.abs(np.diff(samples, order, axis=0)) / period_s**order - rounding, 0)


def _largest(tips: np.ndarray, order: int, period_s: float) -> float:
    return float(np.linalg.norm(_rate(tips, order, period_s), axis=1).max(initial=0))


def _of_joints(name: str, values: np.ndarray, limits: object) -> list[tuple[str, float, float]]:
    worst = values.max(axis=0, initial=0)
    return [
        (f"joint {i + 1} {name}", float(value), float(limit))
        for i, (value, limit) in enumerate(zip(worst, np.asarray(limits), strict=True))
    ]


def _outside(points: np.ndarray, corners: np.ndarray) -> float:
    """How far the worst point is outside a convex polygon with corners counter-clockwise [m]."""
    edges = np.roll(corners, -1, axis=0) - corners
    offsets = points[:, None, :] - corners
    left = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    return float((-left / np.linalg.norm(edges, axis=1)).max(initial=0))
