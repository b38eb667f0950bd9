"""How the scripted operator behaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.demonstrators.planner.timing import Pace


@dataclass(frozen=True)
class ScriptedOperatorSettings:
    """SI units. Speeds are those of teleoperation, whose full stick is 57.5 mm/s."""

    push_speed_m_s: float = 0.0575
    careful_speed_m_s: float = 0.0575 / 2  # before contact and at the end of a push
    travel_speed_m_s: float = 3 * 0.0575
    acceleration_m_s2: float = 0.3
    jerk_m_s3: float = 4.0
    careful_m: float = 0.015  # so much before the end of a push
    reaction_s: float = 0.2  # the slider is seen so late

    # Prices [m] of what a push leaves, while the slider is turned and once it has its heading.
    orient_beyond_rad: float = math.radians(10)
    orient_m_per_rad: float = 0.6
    translate_m_per_rad: float = 0.15
    rescue_m_per_rad: float = 0.03  # where neither helps
    travel_m_per_m: float = 0.1
    room_m: float = 0.10  # between the slider's middle and the workspace's edge
    price_of_room: float = 3.0  # a metre less
    least_gain_m: float = 0.002

    # How the contact is steered while pushing.
    slide_per_m: float = 50.0  # sideways component a metre off the wanted contact
    most_slide: float = 0.6
    most_steer_m: float = 0.012  # of the lever, to correct the heading

    stop_m: float = 0.008
    stop_rad: float = math.radians(2.2)
    moved_m: float = 0.01  # a slider or a hand so far from where it was left is seen
    lost_m: float = 0.04  # a hand so far from its contact begins again

    # Human noise.
    pause_chance: float = 0.25
    pause_s: tuple[float, float] = (0.2, 0.8)
    speed_spread: float = 0.08
    aim_noise_rad: float = math.radians(4)
    travel_noise_m: float = 0.001
    noise_memory_s: float = 0.5

    @property
    def travel_pace(self) -> Pace:
        """How the hand moves clear of the slider."""
        return Pace(self.travel_speed_m_s, self.acceleration_m_s2, self.jerk_m_s3)

    @property
    def contacts(self) -> PlannerSettings:
        """The planner's settings of where the slider may be touched: more places than it has."""
        return PlannerSettings(primitives=64, corner_margin_m=0.010, clearance_m=0.014)
