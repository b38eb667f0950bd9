"""The planner's own choices; what belongs to the cell comes from its configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pushcell.config.motion import MotionLimits
from pushcell.demonstrators.planner.timing import Pace
from pushcell.geometry import Array


@dataclass(frozen=True)
class PlannerSettings:
    """How the planner pushes and travels. SI units."""

    push_speed_m_s: float = 0.10
    travel_speed_m_s: float = 0.14
    # Well below what a cell allows: what follows must be able to catch up.
    acceleration_m_s2: float = 0.3
    jerk_m_s3: float = 8.0
    clearance_m: float = 0.012  # between pusher and slider while travelling
    dwell_s: float = 0.1  # at the end of a push, for an arm that lags behind
    min_push_m: float = 0.004  # less is lost in what an arm gets wrong
    max_push_m: float = 0.35
    primitives: int = 38  # about so many pushes round the outline
    corner_margin_m: float = 0.008  # no contact nearer to a corner

    # What a plan may leave, at the price of so many seconds. A plan that will be replaced after
    # its first push need not be exact.
    tolerance_m: float = 0.001
    replanned_tolerance_m: float = 0.004
    tolerance_rad: float = math.radians(1.5)
    residual_cost_s_per_m: float = 300.0
    residual_cost_s_per_rad: float = 30.0
    change_of_plan_cost_s: float = 1.0  # replanning sticks to the pushes it had in mind

    # Closed loop: good enough to stop, and too far off the prediction to go on.
    stop_m: float = 0.009
    stop_rad: float = math.radians(2.2)
    abort_m: float = 0.02
    abort_rad: float = math.radians(15.0)

    @property
    def push_pace(self) -> Pace:
        """How the pusher pushes."""
        return Pace(self.push_speed_m_s, self.acceleration_m_s2, self.jerk_m_s3)

    @property
    def travel_pace(self) -> Pace:
        """How the pusher moves from push to push."""
        return Pace(self.travel_speed_m_s, self.acceleration_m_s2, self.jerk_m_s3)

    def residual_cost(self, place_m: Array, angle_rad: Array) -> Array:
        """The price [s] of ending off the goal."""
        return place_m * self.residual_cost_s_per_m + angle_rad * self.residual_cost_s_per_rad

    def within(self, limits: MotionLimits) -> PlannerSettings:
        """The same, no faster than the cell allows."""
        return replace(
            self,
            push_speed_m_s=min(self.push_speed_m_s, limits.speed_m_s),
            travel_speed_m_s=min(self.travel_speed_m_s, limits.speed_m_s),
            acceleration_m_s2=min(self.acceleration_m_s2, limits.acceleration_m_s2),
            jerk_m_s3=min(self.jerk_m_s3, limits.jerk_m_s3),
        )
