"""Finds the quickest sequence of pushes that stays in the workspace.

All sequences of up to three pushes that reach the goal come from `SequenceSolver`. They are
ranked by a lower bound of their duration, in which the pusher's travels round the slider
ignore the workspace, and then looked at in that order until none can be quicker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner.primitives import PushPrimitives, as_complex
from pushcell.demonstrators.planner.roadmap import Roadmap
from pushcell.demonstrators.planner.sequences import Sequences, SequenceSolver
from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.errors import PlanningError
from pushcell.geometry import Array, ConvexPolygon, PlanarPose
from pushcell.task import slider_of

PushList = list[tuple[int, float]]  # primitive and length [m]

_BATCH = 500  # candidates whose poses are checked at once, cheapest first
_ARC_FRACTIONS = np.arange(1, 13) / 12
_INWARD_LENGTHS_M = np.array([0.02, 0.05, 0.09, 0.14])
_INWARD_PUSHES = 12
_MOST_INWARD_PUSHES = 3


@dataclass(frozen=True)
class Aim:
    """Where the slider shall go, how near, and with which push to begin if that is as good."""

    goal: PlanarPose
    tolerance_m: float
    prefer: int | None = None


class SequenceSearch:
    """The search for one slider shape in one workspace."""

    def __init__(
        self,
        cell: CellConfig,
        settings: PlannerSettings,
        primitives: PushPrimitives,
        roadmap: Roadmap,
        workspace: ConvexPolygon,
    ) -> None:
        self._settings, self._primitives = settings, primitives
        self._roadmap, self._workspace = roadmap, workspace
        self._shape = slider_of(cell.task)
        half_table = np.array(cell.table.size_m) / 2
        self._table_low = cell.table.centre_m - half_table
        self._table_high = cell.table.centre_m + half_table
        self._home = np.array(cell.task.pusher_home_m)
        self._solver = SequenceSolver(primitives, settings)

    def quickest(self, slider: PlanarPose, pusher: Array, aim: Aim) -> PushList:
        """The best pushes from here; raises PlanningError when none are found.

        Where three pushes do not do it, one or more are tried first that bring the slider
        further into the workspace.
        """
        pushes = self._up_to_three(slider, pusher, aim)
        pushes = pushes or self._by_way_of_the_middle(slider, pusher, aim)
        if pushes:
            return pushes
        raise PlanningError(
            f"no pushes found from slider {slider} with the pusher at {np.round(pusher, 4)} m "
            f"to {aim.goal}: move the slider further into the workspace"
        )

    def _up_to_three(self, slider: PlanarPose, pusher: Array, aim: Aim) -> PushList:
        """The quickest pushes from here, none if there are none."""
        found = self._solver.solve(slider, aim.goal, aim.tolerance_m)
        count = len(self._primitives)
        first = self._travel(self._roadmap.around(slider).lengths_from(pusher)[:count])
        last = self._travel(self._roadmap.around(aim.goal).lengths_from(self._home)[:count])
        costs = self._costs(found, first, last)
        if aim.prefer is not None:
            costs += self._settings.change_of_plan_cost_s * (found.pushes[:, 0] != aim.prefer)
        order = np.flatnonzero(np.isfinite(costs))
        order = order[np.argsort(costs[order], kind="stable")]
        best: PushList = []
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
        return best

    def _by_way_of_the_middle(self, slider: PlanarPose, pusher: Array, aim: Aim) -> PushList:
        """Some pushes into the workspace, and then up to three to the goal; or none."""
        before: PushList = []
        for _ in range(_MOST_INWARD_PUSHES):
            inward = self._inward_pushes(slider, pusher)
            if not inward:
                break
            for push, length in inward:
                after = self._primitives.pose_after(push, slider, length)
                clear = after.transform(self._primitives.approaches[push])
                pushes = self._up_to_three(after, clear, replace(aim, prefer=None))
                if pushes:
                    return [*before, (push, length), *pushes]
            push, length = inward[0]
            before.append((push, length))
            slider = self._primitives.pose_after(push, slider, length)
            pusher = slider.transform(self._primitives.approaches[push])
        return []

    def _inward_pushes(self, slider: PlanarPose, pusher: Array) -> PushList:
        """Single pushes, those first after which the slider is furthest inside."""
        lengths, every = np.meshgrid(_INWARD_LENGTHS_M, np.arange(len(self._primitives)))
        pushes = np.repeat(every.reshape(-1, 1), 3, axis=1)
        padded = np.column_stack([lengths.ravel(), np.zeros((lengths.size, 2))])
        unknown = np.zeros(lengths.size)
        found = Sequences(pushes, padded, unknown, unknown)
        reachable = np.isfinite(self._roadmap.around(slider).lengths_from(pusher))
        good = self._stays_inside(slider, found) & reachable[pushes[:, 0]]

        def outside(candidate: tuple[int, float]) -> float:
            after = self._primitives.pose_after(candidate[0], slider, candidate[1])
            return float(self._workspace.excess(after.position))

        candidates = zip(every.ravel()[good].tolist(), lengths.ravel()[good].tolist(), strict=True)
        return sorted(candidates, key=outside)[:_INWARD_PUSHES]

    def _costs(self, found: Sequences, first: Array, last: Array) -> Array:
        """(M,) seconds, at least; ``first`` and ``last`` are the travels to the slider and home."""
        between = self._travel(self._roadmap.free_lengths)
        push, length = found.pushes, found.lengths
        cost = self._settings.residual_cost(found.place_left, found.angle_left)
        cost += first[push[:, 0]] + last[push[:, 2]]
        for i in range(3):
            duration = self._push_duration(length[:, i], self._primitives.stretch[push[:, i]])
            cost += np.where(length[:, i] > 0, duration, 0.0)
        return cost + between[push[:, 0], push[:, 1]] + between[push[:, 1], push[:, 2]]

    def _detours(self, slider: PlanarPose, pushes: PushList, last: Array) -> float:
        """Seconds by which the travels are longer than the cost has it; inf if impossible."""
        extra = 0.0
        for index, (push, length) in enumerate(pushes):
            slider = self._primitives.pose_after(push, slider, length)
            roads = self._roadmap.around(slider)
            if index + 1 < len(pushes):
                following = pushes[index + 1][0]
                expected = self._travel(self._roadmap.free_lengths[push, following])
                extra += float(self._travel(roads.lengths[push, following]) - expected)
            else:
                extra += float(self._travel(roads.lengths_from(self._home)[push]) - last[push])
        return extra

    def _stays_inside(self, slider: PlanarPose, found: Sequences) -> NDArray[np.bool_]:
        """(M,) whether the pusher stays in the workspace and the slider on the table."""
        p = self._primitives
        approaches, centres = as_complex(p.approaches), as_complex(p.centres)
        outline = as_complex(self._shape.outline)
        alive = np.arange(len(found.pushes))
        position = np.full(len(alive), complex(slider.x, slider.y))
        heading = np.full(len(alive), np.exp(1j * slider.theta))
        for stage in range(3):
            push, length = found.pushes[alive, stage], found.lengths[alive, stage]
            turns = np.exp(1j * p.twists[push, 2] * length * _ARC_FRACTIONS[:, None])
            places = position + heading * p.pivots[push] * (1 - turns)
            pushers = [
                (position + heading * approaches[push])[None],
                places + heading * turns * centres[push],
                (places[-1] + heading * turns[-1] * approaches[push])[None],
            ]
            inside = self._workspace.contains(_xy(np.concatenate(pushers))).all(axis=0)
            position, heading = places[-1], heading * turns[-1]
            corners = _xy(position + heading * outline[:, None])
            inside &= ((corners > self._table_low) & (corners < self._table_high)).all(axis=(0, 2))
            alive, position, heading = alive[inside], position[inside], heading[inside]
        good = np.zeros(len(found.pushes), dtype=np.bool_)
        good[alive] = True
        return good

    def _travel(self, length_m: Array | float) -> Array:
        return self._settings.travel_pace.duration(length_m)

    def _push_duration(self, length_m: Array, stretch: Array) -> Array:
        s = self._settings
        forth = s.push_pace.duration(s.clearance_m + length_m * stretch)
        return forth + s.dwell_s + self._travel(s.clearance_m)


def _xy(points: NDArray[np.complex128]) -> Array:
    return np.stack([points.real, points.imag], axis=-1)
