"""The task: what is pushed, where it starts, and when it counts as done.

The slider's frame is its centre of mass, axes as drawn below with the goal at theta = 0::

      +-----------------+        y
      |       bar       |        |
      +-----+     +-----+        o-- x
            |stem |
            +-----+
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pushcell.config.cell import SuccessConfig, TaskConfig
from pushcell.errors import ConfigError, PlanningError
from pushcell.geometry import (
    Array,
    ConvexPolygon,
    PlanarPose,
    outline_crosses_itself,
    polygon_area_and_centroid,
    signed_distance_to_outline,
)

PUSHT_OUTLINE: Array = np.array(
    [[-60, 0], [60, 0], [60, 30], [15, 30], [15, 120], [-15, 120], [-15, 30], [-60, 30]], float
)
"""Corners of the Push-T benchmark's T, in its frame [px]."""


@dataclass(frozen=True)
class SliderShape:
    """An extruded outline, made of convex parts; coordinates in the slider's frame [m]."""

    name: str
    outline: Array  # (N, 2) counter-clockwise
    parts: tuple[Array, ...]  # convex, (M, 2) each

    @classmethod
    def centred(cls, name: str, outline: Array, parts: list[Array]) -> SliderShape:
        """From an outline and its parts in any frame; the origin becomes the centroid.

        Raises ValueError for an outline that crosses itself, or parts that do not make it up.
        """
        if outline_crosses_itself(outline):
            raise ValueError(f"the outline of slider {name!r} crosses itself")
        area, centroid = polygon_area_and_centroid(outline)
        covered = sum(polygon_area_and_centroid(part)[0] for part in parts)
        if not math.isclose(covered, area, rel_tol=1e-6):
            raise ValueError(
                f"the parts of slider {name!r} cover {covered:.6f} m^2 of {area:.6f} m^2"
            )
        for part in parts:
            ConvexPolygon.from_vertices(part)
        return cls(name, outline - centroid, tuple(part - centroid for part in parts))

    def around(self, centre: Array) -> SliderShape:
        """The same with a point (2,) of its frame as the new origin."""
        parts = tuple(part - centre for part in self.parts)
        return SliderShape(self.name, self.outline - centre, parts)

    @property
    def radius_m(self) -> float:
        """Of the smallest circle around the centre of mass that holds the outline."""
        return float(np.linalg.norm(self.outline, axis=1).max())

    def outline_at(self, pose: PlanarPose) -> Array:
        """(N, 2) outline in the base frame."""
        return pose.transform(self.outline)

    def distance(self, pose: PlanarPose, points: Array) -> Array:
        """Signed distance of points (..., 2) in the base frame to the outline [m]."""
        return signed_distance_to_outline(pose.inverse().transform(points), self.outline)


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> Array:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _regular(corners: int, circumradius_m: float) -> SliderShape:
    names = {3: "triangle", 5: "pentagon", 6: "hexagon"}
    angles = math.pi / 2 + 2 * math.pi * np.arange(corners) / corners
    outline = circumradius_m * np.column_stack([np.cos(angles), np.sin(angles)])
    return SliderShape.centred(names[corners], outline, [outline])


def _t_shape() -> SliderShape:
    half_bar, bar, half_stem, stem = 0.1651 / 2, 0.04064, 0.04064 / 2, 0.12447
    outline = np.array(
        [
            [-half_bar, 0],
            [-half_stem, 0],
            [-half_stem, -stem],
            [half_stem, -stem],
            [half_stem, 0],
            [half_bar, 0],
            [half_bar, bar],
            [-half_bar, bar],
        ]
    )
    parts = [_rectangle(-half_bar, 0, half_bar, bar), _rectangle(-half_stem, -stem, half_stem, 0)]
    return SliderShape.centred("t", outline, parts)


def _box() -> SliderShape:
    outline = _rectangle(-0.06, -0.045, 0.06, 0.045)
    return SliderShape.centred("box", outline, [outline])


def _cross() -> SliderShape:
    a, b = 0.02, 0.07  # half width of an arm, reach of an arm
    outline = np.array(
        [
            [-a, -b],
            [a, -b],
            [a, -a],
            [b, -a],
            [b, a],
            [a, a],
            [a, b],
            [-a, b],
            [-a, a],
            [-b, a],
            [-b, -a],
            [-a, -a],
        ]
    )
    parts = [_rectangle(-a, -b, a, b), _rectangle(-b, -a, -a, a), _rectangle(a, -a, b, a)]
    return SliderShape.centred("cross", outline, parts)


def _s_shape() -> SliderShape:
    w = 0.045  # width of a limb; two limbs of two widths, shifted by one
    outline = w * np.array([[0, 0], [2, 0], [2, 1], [3, 1], [3, 2], [1, 2], [1, 1], [0, 1]])
    return SliderShape.centred(
        "s", outline, [_rectangle(0, 0, 2 * w, w), _rectangle(w, w, 3 * w, 2 * w)]
    )


SLIDERS: dict[str, SliderShape] = {
    shape.name: shape
    for shape in (
        _t_shape(),
        _regular(3, 0.09),
        _box(),
        _regular(5, 0.07),
        _regular(6, 0.07),
        _cross(),
        _s_shape(),
    )
}


def slider_of(config: TaskConfig) -> SliderShape:
    """The slider of a task, around its centre of mass; raises ConfigError if that lies outside."""
    shape = SLIDERS[config.slider]
    centre = np.array(config.centre_of_mass_m)
    if signed_distance_to_outline(centre, shape.outline) > 0:
        raise ConfigError(
            f"task.centre_of_mass_m {config.centre_of_mass_m} lies outside slider "
            f"{config.slider!r}: choose a point inside its outline"
        )
    return shape.around(centre)


@dataclass(frozen=True)
class Judgement:
    """A trial's outcome; ``reason`` says in words what decided it."""

    success: bool
    reason: str
    position_error_m: float
    angle_error_rad: float


@dataclass(frozen=True)
class Task:
    """Push the slider to the goal and bring the pusher home."""

    shape: SliderShape
    goal: PlanarPose
    pusher_home: Array  # (2,) [m]
    start_box_m: tuple[float, float]
    pusher_radius_m: float
    success: SuccessConfig

    @classmethod
    def of(cls, config: TaskConfig, pusher_radius_m: float) -> Task:
        """The task that a cell's configuration describes."""
        return cls(
            slider_of(config),
            config.goal_pose,
            np.array(config.pusher_home_m),
            config.start_box_m,
            pusher_radius_m,
            config.success,
        )

    def sample_start(self, rng: np.random.Generator, clearance_m: float = 0.01) -> PlanarPose:
        """A slider pose with any heading, whole inside the start box, clear of the pusher's home.

        Raises PlanningError when the box is too small for the slider.
        """
        half_box = np.array(self.start_box_m) / 2
        for _ in range(1000):
            theta = rng.uniform(-math.pi, math.pi)
            corners = PlanarPose(0, 0, theta).transform(self.shape.outline)
            low, high = -half_box - corners.min(axis=0), half_box - corners.max(axis=0)
            if (low > high).any():
                continue
            x, y = self.goal.position + rng.uniform(low, high)
            pose = PlanarPose(float(x), float(y), theta)
            gap = self.shape.distance(pose, self.pusher_home) - self.pusher_radius_m
            if gap >= clearance_m:
                return pose
        raise PlanningError(
            f"no start found for slider {self.shape.name!r} in task.start_box_m "
            f"{self.start_box_m}: make the box larger"
        )

    def judge(self, slider: PlanarPose, pusher: Array, elapsed_s: float) -> Judgement:
        """Whether the task is done: slider at the goal, pusher back home, in time."""
        position, angle = slider.distance_to(self.goal)
        from_home = float(np.linalg.norm(np.asarray(pusher) - self.pusher_home))
        misses = [
            f"{what} {value * scale:.1f} {unit} > {limit * scale:.1f} {unit}"
            for what, value, limit, scale, unit in (
                ("position off by", position, self.success.position_m, 1e3, "mm"),
                ("angle off by", angle, self.success.angle_rad, 180 / math.pi, "deg"),
                ("pusher from home", from_home, self.success.pusher_home_m, 1e3, "mm"),
                ("time", elapsed_s, self.success.time_limit_s, 1.0, "s"),
            )
            if value > limit
        ]
        return Judgement(not misses, "; ".join(misses) or "at the goal", position, angle)
