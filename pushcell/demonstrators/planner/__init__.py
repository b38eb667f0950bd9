"""The planner that sees the slider's true pose, and the controller that closes the loop with it."""

from pushcell.demonstrators.planner.closed_loop import ClosedLoopPlanner
from pushcell.demonstrators.planner.plan import Push, PushPlan
from pushcell.demonstrators.planner.planner import PushPlanner
from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.demonstrators.planner.timing import PusherTrajectory

__all__ = [
    "ClosedLoopPlanner",
    "PlannerSettings",
    "Push",
    "PushPlan",
    "PushPlanner",
    "PusherTrajectory",
]
