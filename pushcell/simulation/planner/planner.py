"""Plans pushes that bring the slider to its goal and the pusher home.

All sequences of up to three pushes that reach the goal come from `SequenceSolver`. They are
ranked by their duration, travels round the slider included, and the quickest that stays in the
workspace is taken.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pushcell.config import CellConfig
from pushcell.errors import PlanningError
from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.planner.plan import PlanBuilder, PushPlan
from pushcell.simulation.planner.primitives import PushPrimitives, as_complex
from pushcell.simulation.planner.roadmap import Roadmap
from pushcell.simulation.planner.sequences import Sequences, SequenceSolver
from pushcell.simulation.planner.settings import PlannerSettings
from pushcell.simulation.planner.timing import ramped_duration
from pushcell.task import SLIDERS

_BATCH = 500  # candidates whose poses are checked at once, cheapest first
_ARC_SLACK_M = 0.003  # the pusher's arc bulges between the points that are checked
_ARC_FRACTIONS = np.arange(1, 13) / 12


class PushPlanner:
    """Plans for one cell: its slider, pusher, workspace and goal. Deterministic."""

    def __init__(self, cell: CellConfig, settings: PlannerSettings | None = None) -> None:
        self.settings = s = (settings or PlannerSettings()).within(cell.motion.policy)
        self._shape = SLIDERS[cell.task.slider]
        radius, c = cell.pusher.radius_m, cell.simulation.limit_surface_c_m
        self._workspace = cell.workspace.polygon.inset(cell.workspace.margin_m + _ARC_SLACK_M)
        half_table = np.array(cell.table.size_m) / 2
        self._table_low = cell.table.centre_m - half_table
        self._table_high = cell.table.centre_m + half_table
        self._goal = cell.task.goal_pose
        self._home = np.array(cell.task.pusher_home_m)
        self.primitives = PushPrimitives.of(self._shape, radius, c, s)
        self._roadmap = Roadmap(
            self._shape, self.primitives.approaches, radius, s.clearance_m, self._workspace
        )
        self._solver = SequenceSolver(self.primitives, s)

    def plan(
        self,
        slider: PlanarPose,
        pusher: ArrayLike,
        goal: PlanarPose | None = None,
        prefer: tuple[int, ...] = (),
    ) -> PushPlan:
        """The quickest plan from a slider pose and a pusher position (2,) [m], both at rest.

        ``prefer`` names the primitives that an earlier plan would go on with. A slider that is
        at the goal already needs no push. Raises PlanningError when no plan is found.
        """
        goal = goal or self._goal
        pusher = np.asarray(pusher, dtype=float)
        start = self._roadmap.escape(slider, pusher)
        builder = PlanBuilder(self.primitives, self.settings, slider, pusher)
        pushes = [] if self.is_good(slider, goal) else self._choose(slider, start, goal, prefer)
        path = np.stack([pusher, start])
        for push, length in pushes:
            roads = self._roadmap.around(slider)
            builder.travel(np.vstack([path, roads.from_point(path[-1], push)]))
            builder.push(push, length)
            slider = self.primitives.pose_after(push, slider, length)
            path = slider.transform(self.primitives.approaches[push])[None]
        roads = self._roadmap.around(slider)
        builder.travel(np.vstack([path, roads.from_point_to_point(path[-1], self._home)]))
        return builder.build(goal)

    def is_good(self, slider: PlanarPose, goal: PlanarPose | None = None) -> bool:
        """Whether the slider is so near the goal that another push is not worth it."""
        position, angle = slider.distance_to(goal or self._goal)
        return position <= self.settings.stop_m and angle <= self.settings.stop_rad

    def _choose(
        self, slider: PlanarPose, pusher: Array, goal: PlanarPose, prefer: tuple[int, ...]
    ) -> list[tuple[int, float]]:
        """The (primitive, length) of the quickest sequence that stays in the workspace."""
        found = self._solver.solve(slider, goal)
        count = len(self.primitives)
        first = self._travel(self._roadmap.around(slider).lengths_from(pusher)[:count])
        last = self._travel(self._roadmap.around(goal).lengths_from(self._home)[:count])
        costs = self._costs(found, first, last)
        if prefer:
            costs += self.settings.change_of_plan_cost_s * (found.pushes[:, 0] != prefer[0])
        order = np.flatnonzero(np.isfinite(costs))
        order = order[np.argsort(costs[order], kind="stable")]
        best: list[tuple[int, float]] = []
        best_cost = math.inf
        for begin in range(0, len(order), _BATCH):
            batch = order[begin : begin + _BATCH]
            for row in batch[self._stays_inside(slider, found.take(batch))]:
                if costs[row] >= best_cost:
                    return best
                pushes = [
                    (int(push), float(length))
                    for push, length in zip(found.pushes[row], found.lengths[row], strict=True)
                    if length > 0
                ]
                cost = costs[row] + self._detours(slider, pushes, last)
                if cost < best_cost:
                    best, best_cost = pushes, cost
        if not best:
            raise PlanningError(
                f"no pushes found from slider {slider} with the pusher at "
                f"{np.round(pusher, 4)} m to {goal}: move the slider further into the workspace"
            )
        return best

    def _costs(self, found: Sequences, first: Array, last: Array) -> Array:
        """(M,) seconds; a lower bound, as the travels between pushes ignore the workspace."""
        between = self._travel(self._roadmap.free_lengths)
        push, length = found.pushes, found.lengths
        cost = first[push[:, 0]] + last[push[:, 2]] + found.residual_cost
        for i in range(3):
            duration = self._push_duration(length[:, i], self.primitives.stretch[push[:, i]])
            cost += np.where(length[:, i] > 0, duration, 0.0)
        return cost + between[push[:, 0], push[:, 1]] + between[push[:, 1], push[:, 2]]

    def _detours(self, slider: PlanarPose, pushes: list[tuple[int, float]], last: Array) -> float:
        """Seconds by which the travels are longer than the cost has it; inf if impossible."""
        extra = 0.0
        for index, (push, length) in enumerate(pushes):
            slider = self.primitives.pose_after(push, slider, length)
            roads = self._roadmap.around(slider)
            if index + 1 < len(pushes):
                following = pushes[index + 1][0]
                expected = self._travel(self._roadmap.free_lengths[push, following])
                extra += float(self._travel(roads.lengths[push, following]) - expected)
            else:
                extra += float(self._travel(roads.lengths_from(self._home)[push]) - last[push])
        return extra

    def _stays_inside(self, slider: PlanarPose, found: Sequences) -> NDArray[np.bool_]:
        """(M,) whether pusher and slider stay in the workspace and on the table."""
        p = self.primitives
        approaches, centres = as_complex(p.approaches), as_complex(p.centres)
        outline = as_complex(self._shape.outline)
        position = np.full(len(found.pushes), complex(slider.x, slider.y))
        heading = np.full(len(found.pushes), np.exp(1j * slider.theta))
        pushers = []
        for push, length in zip(found.pushes.T, found.lengths.T, strict=True):
            turn, pivot = p.twists[push, 2] * length, p.pivots[push]
            pushers.append(position + heading * approaches[push])
            for fraction in _ARC_FRACTIONS:
                rotation = np.exp(1j * turn * fraction)
                moved = position + heading * pivot * (1 - rotation)
                pushers.append(moved + heading * rotation * centres[push])
            position, heading = moved, heading * rotation
            pushers.append(position + heading * approaches[push])
        inside = self._workspace.contains(_xy(np.stack(pushers))).all(axis=0)
        # The slider turns and moves little within a push: its ends stand for all of it.
        inside &= self._workspace.contains(_xy(position))
        corners = _xy(position[:, None] + heading[:, None] * outline)
        return inside & ((corners > self._table_low) & (corners < self._table_high)).all((1, 2))

    def _travel(self, length_m: Array | float) -> Array:
        return ramped_duration(
            length_m, self.settings.travel_speed_m_s, self.settings.acceleration_m_s2
        )

    def _push_duration(self, length_m: Array, stretch: Array) -> Array:
        s = self.settings
        driven = s.clearance_m + length_m * stretch
        forth = ramped_duration(driven, s.push_speed_m_s, s.acceleration_m_s2)
        return forth + s.dwell_s + self._travel(s.clearance_m)


def _xy(points: NDArray[np.complex128]) -> Array:
    return np.stack([points.real, points.imag], axis=-1)
