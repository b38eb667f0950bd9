"""The planner that sees the slider's true pose, and the controller that closes the loop with it."""

from pushcell.simulation.planner.closed_loop import ClosedLoopPlanner
from pushcell.simulation.planner.plan import Push, PushPlan
from pushcell.simulation.planner.planner import PushPlanner
from pushcell.simulation.planner.settings import PlannerSettings
from pushcell.simulation.planner.timing import PusherTrajectory

__all__ = [
    "ClosedLoopPlanner",
    "PlannerSettings",
    "Push",
    "PushPlan",
    "PushPlanner",
    "PusherTrajectory",
]
