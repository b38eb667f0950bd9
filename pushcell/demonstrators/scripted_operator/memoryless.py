"""The memoryless expert: the scripted operator without memory and human noise.

Its action depends on the poses of slider and pusher alone. So it can be asked in any state, also in
one that a policy reached, and its answers agree with each other: a policy from poses can learn it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner.roadmap import Roads
from pushcell.demonstrators.planner.timing import PusherTrajectory
from pushcell.demonstrators.scripted_operator.push_selection import PushAim
from pushcell.demonstrators.scripted_operator.scripted_operator import (
    ACTIONS,
    Pushing,
    ScriptedOperator,
    Travel,
    along,
)
from pushcell.demonstrators.scripted_operator.settings import ScriptedOperatorSettings
from pushcell.errors import PlanningError
from pushcell.geometry import Array, PlanarPose

MEMORYLESS = ScriptedOperatorSettings(
    reaction_s=0.0,
    pause_chance=0.0,
    speed_spread=0.0,
    aim_noise_rad=0.0,
    travel_noise_m=0.0,
    # As good as none: how fast the hand is already cannot be told from poses.
    acceleration_m_s2=8.0,
    jerk_m_s3=800.0,
)

_HOME_M = 0.06  # within so much the hand counts as back
_GOOD = (0.007, math.radians(1.8))  # enough to go home [m, rad]
_GOOD_AT_HOME = (0.011, math.radians(2.7))  # enough to stay there: no dithering in between
_KEEP_M = 0.015  # a contact is left for another push that leaves so much less
_CORRIDOR_M = 0.009  # half the width of the way from an approach point to its contact
_LEAST_WORTH_M = 0.0015
_LEAST_GAIN_M = 0.001
_GAIN_WHEN_GOOD_M = 0.003
_TURNING_LEVER_M = 0.02  # contacts with a longer lever are for turning
_TURNED_RAD = math.radians(1.0)  # until which they turn


@dataclass(frozen=True)
class _Contact:
    """A push whose corridor the pusher is in already."""

    push: int
    aim: PushAim
    gain_m: float  # by its own aim
    left_m: float  # by the aim that any other push would have


class MemorylessExpert(ScriptedOperator):
    """A `Controller`, each of whose decisions is a function of the poses at that time."""

    def __init__(self, cell: CellConfig, rng: np.random.Generator) -> None:
        super().__init__(cell, rng, MEMORYLESS)
        self._tangents = along(self._primitives.normals)

    def _look(self, time_s: float, pusher: Array) -> Array:
        """Nothing is waited for; the contact that has just been given up is not taken again."""
        return self._go(time_s, pusher, None)

    def _decide(self, time_s: float, pusher: Array) -> Array:
        return self._go(time_s, pusher, self._contact(self._seen[-1][0], pusher))

    def _go(self, time_s: float, pusher: Array, contact: _Contact | None) -> Array:
        """Go on pushing, or travel to a better push, or home."""
        slider = self._seen[-1][0]
        good = self._is_good_with(slider, pusher)
        if contact and good and contact.gain_m <= _GAIN_WHEN_GOOD_M:
            contact = None
        clear = self._roadmap.escape(slider, pusher)
        roads = self._roadmap.around(slider)
        push = None
        if contact or not good:
            push = self._best_push(slider, roads, clear, contact)
            if push is None:
                assert contact is not None
                self._mood = Pushing(contact.push, contact.aim, 1.0)
                return self._go_on_pushing(self._mood, time_s, pusher)
        if push is None:
            way = roads.from_point_to_point(clear, self._home)
        else:
            way = roads.from_point(clear, push[0])
        times, positions = self._settings.travel_pace.drive(np.vstack([pusher, way]))
        course = PusherTrajectory(
            time_s + np.append(0, times), np.vstack([pusher[None], positions])
        )
        self._mood = Travel(course, slider, push)
        return self._go_on_travelling(self._mood, time_s, pusher)

    def _best_push(
        self, slider: PlanarPose, roads: Roads, clear: Array, contact: _Contact | None
    ) -> tuple[int, PushAim] | None:
        """The push to travel to; None where the contact is worth keeping.

        Raises PlanningError when nothing helps.
        """
        try:
            push, aim = self._choice.best(slider, roads, clear)
        except PlanningError:
            if contact is None:
                raise
            return None
        if contact is None:
            return push, aim
        worth_m = self._choice.worth_m(push, slider, self._usual_aim(slider))
        after = self._primitives.pose_after(push, slider, worth_m).as_array()
        left_m = float(self._usual_aim(slider).cost(after))
        left_m += self._settings.travel_m_per_m * float(roads.lengths_from(clear)[push])
        return None if contact.left_m < left_m + _KEEP_M else (push, aim)

    def _go_on_travelling(self, mood: Travel, time_s: float, pusher: Array) -> Array:
        if mood.push is None and time_s >= mood.way.times_s[-1]:
            self._done = self._is_good_with(self._seen[-1][0], pusher)
            if self._done:
                return np.repeat(self._home[None], ACTIONS, axis=0)
        return super()._go_on_travelling(mood, time_s, pusher)

    def _is_good_with(self, slider: PlanarPose, pusher: Array) -> bool:
        at_home = float(np.linalg.norm(pusher - self._home)) < _HOME_M
        most_m, most_rad = _GOOD_AT_HOME if at_home else _GOOD
        position, angle = slider.distance_to(self._goal)
        return position <= most_m and angle <= most_rad

    def _usual_aim(self, slider: PlanarPose) -> PushAim:
        """As the choice of a push has it first."""
        return self._choice.aim(self._is_turned(slider))

    def _is_turned(self, slider: PlanarPose) -> bool:
        return slider.distance_to(self._goal)[1] <= self._settings.orient_beyond_rad

    def _contact(self, slider: PlanarPose, pusher: Array) -> _Contact | None:
        """The best push whose corridor the pusher is in, if it is worth going on with."""
        p = self._primitives
        to_contact = p.centres - slider.inverse().transform(pusher)
        gap = np.sum(to_contact * p.normals, axis=1)
        aside = np.abs(np.sum(to_contact * self._tangents, axis=1))
        clearance = self._settings.contacts.clearance_m
        inside = (gap < clearance + 0.004) & (gap > -0.006) & (aside < _CORRIDOR_M)
        found: list[_Contact] = []
        faces: list[Array] = []
        for push in np.flatnonzero(inside)[np.argsort(aside[inside])]:
            if any(float(p.normals[push] @ normal) > 0.99 for normal in faces):
                continue  # another contact of this face is nearer
            faces.append(p.normals[push])
            contact = self._worth_keeping(int(push), slider)
            if contact:
                found.append(contact)
        return min(found, key=lambda contact: contact.left_m, default=None)

    def _worth_keeping(self, push: int, slider: PlanarPose) -> _Contact | None:
        turned = self._is_turned(slider)
        for_turning = abs(self._levers[push]) > _TURNING_LEVER_M
        goes_on_turning = for_turning and slider.distance_to(self._goal)[1] > _TURNED_RAD
        aim = self._choice.aim(turned and not goes_on_turning)
        worth_m = self._choice.worth_m(push, slider, aim)
        after = self._primitives.pose_after(push, slider, worth_m).as_array()
        gain_m = float(aim.cost(slider.as_array()) - aim.cost(after))
        if worth_m < _LEAST_WORTH_M or gain_m < _LEAST_GAIN_M:
            return None
        return _Contact(push, aim, gain_m, float(self._choice.aim(turned).cost(after)))
