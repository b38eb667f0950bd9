"""The source world: quasi-static pushing of the slider, without forces, inertia or slip.

Contact sticks: while the pusher pushes, its centre keeps its place in the slider's frame, as if
the pusher turned along with the slider. A pusher that moves away lets go; where sticking would
need the pusher to pull, it slides along the face without friction instead.

The inner loop is plain arithmetic on floats, which for one contact is several times faster
than arrays of two or three numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.geometry import Array, PlanarPose, wrap_angle
from pushcell.limit_surface import dragged_turn, dragging_force
from pushcell.simulation.world import require_apart
from pushcell.task import SliderShape, Task

_TOUCH_M = 1e-5  # nearer than this is contact, deeper than this is pushed out
_STICK_STEP_M = 1e-3  # how often a sticking contact is asked whether it still sticks
_SLIDE_STEP_M = 2.5e-4


class SourceWorld:
    """A `PushingWorld` with the cell's slider, pusher and limit surface."""

    def __init__(self, cell: CellConfig) -> None:
        self._task = Task.of(cell.task, cell.pusher.radius_m)
        self._edges = _edges(self._task.shape)
        self._radius = cell.pusher.radius_m
        self._c = cell.simulated.limit_surface_c_m
        self._time = 0.0
        self._x, self._y, self._theta = cell.task.goal
        self._px, self._py = cell.task.pusher_home_m

    @property
    def time_s(self) -> float:
        """Simulated seconds since the last reset."""
        return self._time

    @property
    def slider_pose(self) -> PlanarPose:
        """The slider's pose."""
        return PlanarPose(self._x, self._y, wrap_angle(self._theta))

    @property
    def pusher_position(self) -> Array:
        """(2,) the pusher's tip [m], always exactly on its last target after an advance."""
        return np.array([self._px, self._py])

    def reset(self, slider: PlanarPose, pusher: ArrayLike) -> None:
        """Put slider and pusher (2,) at these poses; raises PushcellError if they overlap."""
        require_apart(self._task, slider, pusher)
        self._time = 0.0
        self.place(slider, pusher)

    def place(self, slider: PlanarPose, pusher: ArrayLike) -> None:
        """Put them there while time goes on; the next push undoes what they overlap."""
        self._x, self._y, self._theta = slider.x, slider.y, slider.theta
        self._px, self._py = _finite_point(pusher)

    def advance(self, pusher_target: ArrayLike, duration_s: float) -> None:
        """Move the pusher straight to a position (2,) [m], pushing what is there."""
        if not 0 < duration_s < math.inf:
            raise ValueError(f"a world advances by a positive time, not {duration_s} s")
        tx, ty = _finite_point(pusher_target)
        remaining = math.hypot(tx - self._px, ty - self._py)
        if remaining > 0:
            ux, uy = (tx - self._px) / remaining, (ty - self._py) / remaining
            while remaining > 1e-12:
                remaining -= self._step(ux, uy, remaining)
            self._px, self._py = tx, ty
        self._time += duration_s

    def _step(self, ux: float, uy: float, limit: float) -> float:
        """Move the pusher along (ux, uy) by the distance returned, at most ``limit``."""
        cos, sin = math.cos(self._theta), math.sin(self._theta)
        lever_x, lever_y = self._px - self._x, self._py - self._y
        # Pusher's centre q and direction v in the slider's frame.
        qx, qy = cos * lever_x + sin * lever_y, cos * lever_y - sin * lever_x
        vx, vy = cos * ux + sin * uy, cos * uy - sin * ux
        gap, sticks, pushed = limit, False, None
        fx, fy = dragging_force(qx, qy, vx, vy, self._c)
        for x0, y0, ex, ey, inverse_squared_length in self._edges:
            along = ((qx - x0) * ex + (qy - y0) * ey) * inverse_squared_length
            along = 0.0 if along < 0 else 1.0 if along > 1 else along
            nx, ny = x0 + along * ex - qx, y0 + along * ey - qy
            distance = math.sqrt(nx * nx + ny * ny)
            clear = distance - self._radius
            if clear > _TOUCH_M:
                # No edge can be reached in a shorter move than the distance to it.
                gap = min(gap, clear)
                continue
            nx, ny = nx / distance, ny / distance
            if clear < -_TOUCH_M:
                self._push_along_normal(cos, sin, qx, qy, nx, ny, -clear)
                return 0.0
            if vx * nx + vy * ny > 0:
                pushed = nx, ny
                sticks = sticks or fx * nx + fy * ny > 0
        if pushed is None:
            self._px, self._py = self._px + gap * ux, self._py + gap * uy
            return gap
        if sticks:
            step = min(limit, _STICK_STEP_M)
            self._drag(lever_x, lever_y, ux * step, uy * step)
            return step
        step = min(limit, _SLIDE_STEP_M)
        self._px, self._py = self._px + step * ux, self._py + step * uy
        depth = step * (vx * pushed[0] + vy * pushed[1])
        self._push_along_normal(cos, sin, qx, qy, *pushed, depth)
        return step

    def _drag(self, lever_x: float, lever_y: float, dx: float, dy: float) -> None:
        """Move the pusher with the slider pinned to it."""
        turn = dragged_turn(lever_x, lever_y, dx, dy, self._c)
        cos, sin = math.cos(turn), math.sin(turn)
        self._px, self._py = self._px + dx, self._py + dy
        self._x = self._px - (cos * lever_x - sin * lever_y)
        self._y = self._py - (sin * lever_x + cos * lever_y)
        self._theta += turn

    def _push_along_normal(
        self, cos: float, sin: float, qx: float, qy: float, nx: float, ny: float, depth: float
    ) -> None:
        """Push the slider out of the pusher at q along the normal n (slider's frame)."""
        moment = (qx * ny - qy * nx) / self._c
        push = depth / (1 + moment * moment)
        self._x += push * (cos * nx - sin * ny)
        self._y += push * (sin * nx + cos * ny)
        self._theta += push * moment / self._c


def _edges(shape: SliderShape) -> list[tuple[float, float, float, float, float]]:
    """Start, vector and 1 / length^2 of each edge of the outline."""
    start = shape.outline
    edge = np.roll(start, -1, axis=0) - start
    inverse = 1 / np.sum(edge * edge, axis=1, keepdims=True)
    return [tuple(row) for row in np.hstack([start, edge, inverse]).tolist()]


def _finite_point(point: ArrayLike) -> tuple[float, float]:
    x, y = (float(value) for value in np.asarray(point, dtype=float))
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"a pusher position must be finite, not ({x}, {y})")
    return x, y
