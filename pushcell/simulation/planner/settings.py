"""The planner's own choices; what belongs to the cell comes from its configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pushcell.config import MotionLimits


@dataclass(frozen=True)
class PlannerSettings:
    """How the planner pushes and travels. SI units."""

    push_speed_m_s: float = 0.10
    travel_speed_m_s: float = 0.14
    acceleration_m_s2: float = 0.5  # half of what the arm may do: the filter follows closely
    clearance_m: float = 0.012  # between pusher and slider while travelling
    dwell_s: float = 0.1  # at the end of a push, for an arm that lags behind
    min_push_m: float = 0.004  # less is lost in what an arm gets wrong
    max_push_m: float = 0.35
    primitives: int = 38  # about so many pushes round the outline
    corner_margin_m: float = 0.008  # no contact nearer to a corner

    # A plan may leave this much, at the price of so many seconds.
    max_residual_angle_rad: float = math.radians(1.5)
    max_residual_m: float = 0.003
    residual_cost_s_per_m: float = 300.0
    residual_cost_s_per_rad: float = 30.0
    change_of_plan_cost_s: float = 1.5  # replanning sticks to the pushes it had in mind

    # Closed loop: good enough to stop, and too far off the prediction to go on.
    stop_m: float = 0.009
    stop_rad: float = math.radians(2.2)
    abort_m: float = 0.012
    abort_rad: float = math.radians(9.0)

    def within(self, limits: MotionLimits) -> PlannerSettings:
        """The same, no faster than the cell allows."""
        return replace(
            self,
            push_speed_m_s=min(self.push_speed_m_s, limits.speed_m_s),
            travel_speed_m_s=min(self.travel_speed_m_s, limits.speed_m_s),
            acceleration_m_s2=min(self.acceleration_m_s2, limits.acceleration_m_s2),
        )
