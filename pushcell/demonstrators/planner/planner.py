"""Plans pushes that bring the slider to its goal and the pusher home."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner.plan import PlanBuilder, PushPlan
from pushcell.demonstrators.planner.primitives import PushPrimitives
from pushcell.demonstrators.planner.roadmap import Roadmap
from pushcell.demonstrators.planner.search import Aim, PushList, SequenceSearch
from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.geometry import PlanarPose
from pushcell.task import slider_of

_ARC_SLACK_M = 0.003  # the pusher's arc bulges between the points that the search looks at


class PushPlanner:
    """Plans for one cell: its slider, pusher, workspace and goal. Deterministic."""

    def __init__(self, cell: CellConfig, settings: PlannerSettings | None = None) -> None:
        self.settings = s = (settings or PlannerSettings()).within(cell.motion.policy)
        shape, radius = slider_of(cell.task), cell.pusher.radius_m
        workspace = cell.workspace.polygon.inset(cell.workspace.margin_m + _ARC_SLACK_M)
        self._goal = cell.task.goal_pose
        self._home = np.array(cell.task.pusher_home_m)
        self.primitives = PushPrimitives.of(shape, radius, cell.simulated.limit_surface_c_m, s)
        approaches = self.primitives.approaches
        self._roadmap = Roadmap(shape, approaches, radius, s.clearance_m, workspace)
        self._search = SequenceSearch(cell, s, self.primitives, self._roadmap, workspace)

    def plan(
        self,
        slider: PlanarPose,
        pusher: ArrayLike,
        goal: PlanarPose | None = None,
        tolerance_m: float | None = None,
        prefer: int | None = None,
    ) -> PushPlan:
        """The quickest plan from a slider pose and a pusher position (2,) [m], both at rest.

        ``tolerance_m`` is how far off the goal the plan may end; ``prefer`` is the primitive
        that an earlier plan would go on with. A slider that is good at the goal already needs
        no push. Raises PlanningError when no plan is found.
        """
        goal = goal or self._goal
        pusher = np.asarray(pusher, dtype=float)
        start = self._roadmap.escape(slider, pusher)
        pushes: PushList = []
        if not self.is_good(slider, goal):
            aim = Aim(goal, tolerance_m or self.settings.tolerance_m, prefer)
            pushes = self._search.quickest(slider, start, aim)
        builder = PlanBuilder(self.primitives, self.settings, slider, pusher)
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
