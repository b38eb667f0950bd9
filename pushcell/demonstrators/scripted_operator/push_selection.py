"""Which push the scripted operator does next, and how far it is worth going on with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.demonstrators.planner.primitives import PushPrimitives, as_complex
from pushcell.demonstrators.planner.roadmap import Roads
from pushcell.demonstrators.scripted_operator.settings import ScriptedOperatorSettings
from pushcell.errors import PlanningError
from pushcell.geometry import Array, ConvexPolygon, PlanarPose

_LENGTHS_M = np.arange(0.0, 0.30, 0.002)


@dataclass(frozen=True)
class PushAim:
    """What a push is for: the price of ending off the goal by metres and radians.

    Near the workspace's edge, where the next push would have no room, every metre costs more.
    """

    goal: PlanarPose
    price_m_per_rad: float
    keeps_heading: bool  # the heading is right already, or as good as
    workspace: ConvexPolygon
    room_m: float
    price_of_room: float

    def cost(self, poses: Array) -> Array:
        """(...,) price [m] of slider poses (..., 3)."""
        place = np.hypot(poses[..., 0] - self.goal.x, poses[..., 1] - self.goal.y)
        turn = np.abs(np.mod(poses[..., 2] - self.goal.theta + math.pi, 2 * math.pi) - math.pi)
        cramped = np.maximum(self.workspace.excess(poses[..., :2]) + self.room_m, 0)
        return place + self.price_m_per_rad * turn + self.price_of_room * cramped


class PushChoice:
    """The choice for one slider and workspace: a pure function of what is seen."""

    def __init__(
        self,
        primitives: PushPrimitives,
        workspace: ConvexPolygon,
        goal: PlanarPose,
        settings: ScriptedOperatorSettings,
    ) -> None:
        self._primitives, self._workspace = primitives, workspace
        self._goal, self._settings = goal, settings
        turns = np.abs(primitives.twists[:, 2, None] * _LENGTHS_M)
        self._turns_at_most_half = turns < math.pi + 0.1

    def best(self, slider: PlanarPose, roads: Roads, pusher: Array) -> tuple[int, PushAim]:
        """The push that leaves least, and what it is for; turning comes first, then moving.

        Near the workspace's edge neither may be possible; then moving inwards at any heading
        is. Raises PlanningError when nothing helps.
        """
        s = self._settings
        turned = slider.distance_to(self._goal)[1] <= s.orient_beyond_rad
        for aim in (self.aim(turned), self._aim(s.rescue_m_per_rad, False)):
            push = self._best_for(aim, slider, roads, pusher)
            if push is not None:
                return push, aim
        raise PlanningError(
            f"the scripted operator sees no push that helps from slider {slider} with the pusher "
            f"at {np.round(pusher, 4)} m: move the slider further into the workspace"
        )

    def aim(self, turned: bool) -> PushAim:
        """Of a push on a slider that has, or has not yet, been turned to the goal's heading."""
        s = self._settings
        return self._aim(s.translate_m_per_rad if turned else s.orient_m_per_rad, turned)

    def _aim(self, price_m_per_rad: float, keeps_heading: bool) -> PushAim:
        s = self._settings
        return PushAim(
            self._goal, price_m_per_rad, keeps_heading, self._workspace, s.room_m, s.price_of_room
        )

    def _best_for(
        self, aim: PushAim, slider: PlanarPose, roads: Roads, pusher: Array
    ) -> int | None:
        poses = self._poses(slider)
        useful = self._reachable(poses) & self._turns_at_most_half
        cost = np.where(useful, aim.cost(poses), np.inf)
        left = cost[:, 1:].min(axis=1)
        ways = roads.lengths_from(pusher)[: len(self._primitives)]
        total = left + self._settings.travel_m_per_m * ways
        enough = aim.cost(slider.as_array()) - self._settings.least_gain_m
        total[left > enough] = np.inf
        push = int(total.argmin())
        return push if np.isfinite(total[push]) else None

    def worth_m(self, push: int, slider: PlanarPose, aim: PushAim) -> float:
        """How much further [m] a push is worth going on with; 0 when it is not."""
        poses = self._primitives.poses_along(push, slider, _LENGTHS_M)
        cost = aim.cost(poses)[self._turns_at_most_half[push]]
        best = int(cost.argmin())
        if best in (0, len(cost) - 1):
            return float(_LENGTHS_M[best])
        before, at, after = cost[best - 1 : best + 2]
        vertex = 0.5 * (before - after) / (before - 2 * at + after)
        return float(_LENGTHS_M[best] + vertex * (_LENGTHS_M[1] - _LENGTHS_M[0]))

    def _poses(self, slider: PlanarPose) -> Array:
        """(N, K, 3) of every push and length."""
        p = self._primitives
        turns = p.twists[:, 2, None] * _LENGTHS_M
        shifts = p.pivots[:, None] * (1 - np.exp(1j * turns)) * np.exp(1j * slider.theta)
        return np.stack([slider.x + shifts.real, slider.y + shifts.imag, slider.theta + turns], -1)

    def _reachable(self, poses: Array) -> NDArray[np.bool_]:
        """(N, K) whether the pusher stays in the workspace until then and can leave."""
        headings = np.exp(1j * poses[..., 2])
        places = poses[..., 0] + 1j * poses[..., 1]

        def inside(points: Array) -> NDArray[np.bool_]:
            there = places + headings * as_complex(points)[:, None]
            return self._workspace.contains(np.stack([there.real, there.imag], -1))

        p = self._primitives
        approach = inside(p.approaches)
        stays = np.logical_and.accumulate(inside(p.centres), axis=1)
        return stays & approach & approach[:, :1]
