"""The scripted operator, as a person teleoperates: sees late, turns first, then moves, corrects.

Three moods follow each other until the slider is at the goal: *look* until what is seen has
come to rest, *travel* round the slider to the next contact, *push* and correct for as
long as it helps. While pushing, the contact may slide along its face: so the heading is kept.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner.primitives import PushPrimitives
from pushcell.demonstrators.planner.roadmap import Roadmap
from pushcell.demonstrators.planner.timing import PusherTrajectory
from pushcell.demonstrators.scripted_operator.human_noise import HumanNoise
from pushcell.demonstrators.scripted_operator.push_selection import PushAim, PushChoice
from pushcell.demonstrators.scripted_operator.settings import ScriptedOperatorSettings
from pushcell.geometry import Array, PlanarPose
from pushcell.task import slider_of

ACTIONS = 16
PERIOD_S = 0.1


@dataclass
class Waiting:
    """Waits until what is seen has come to rest."""

    until_s: float


@dataclass
class Travel:
    """Goes round the slider, to a push or home."""

    way: PusherTrajectory  # in the caller's time
    slider: PlanarPose  # as it was when the way was chosen
    push: tuple[int, PushAim] | None  # what follows; None: the hand stays home


@dataclass
class Pushing:
    """Pushes, and corrects by what it sees."""

    push: int
    aim: PushAim
    pace: float
    speed_m_s: float = 0.0


class ScriptedOperator:
    """A `Controller`: the same sights and the same generator give the same demonstration."""

    def __init__(
        self,
        cell: CellConfig,
        rng: np.random.Generator,
        settings: ScriptedOperatorSettings | None = None,
    ) -> None:
        self._settings = s = settings or ScriptedOperatorSettings()
        self._rng = rng
        shape, radius = slider_of(cell.task), cell.pusher.radius_m
        self._c_m = cell.simulated.limit_surface_c_m
        self._goal = cell.task.goal_pose
        self._home = np.array(cell.task.pusher_home_m)
        self._polygon = cell.workspace.polygon.inset(cell.workspace.margin_m)
        self._primitives = p = PushPrimitives.of(shape, radius, self._c_m, s.contacts)
        self._roadmap = Roadmap(shape, p.approaches, radius, s.contacts.clearance_m, self._polygon)
        self._choice = PushChoice(p, self._polygon, self._goal, s)
        self._levers = np.sum(p.contacts * along(p.normals), axis=1)
        self._lever_ranges = _lever_ranges(p, self._levers)
        self.reset()

    def reset(self) -> None:
        """A new trial begins; the generator goes on."""
        self._human_noise = HumanNoise(self._rng, self._settings, PERIOD_S)
        late = round(self._settings.reaction_s / PERIOD_S)
        self._seen: deque[tuple[PlanarPose, Array]] = deque(maxlen=late + 1)
        self._mood: Waiting | Travel | Pushing = Waiting(-math.inf)
        self._last_call_s = -math.inf
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the slider is at the goal and the pusher home."""
        return self._done

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        """(16, 2) pusher positions [m]; raises PlanningError when no push helps."""
        if time_s < self._last_call_s:
            self.reset()
        self._last_call_s = time_s
        pusher = np.asarray(pusher, dtype=float)
        self._seen.append((slider, pusher))
        self._human_noise.step()
        if isinstance(self._mood, Pushing):
            return self._go_on_pushing(self._mood, time_s, pusher)
        if isinstance(self._mood, Travel):
            return self._go_on_travelling(self._mood, time_s, pusher)
        if time_s >= self._mood.until_s:
            return self._decide(time_s, pusher)
        return self._rest(pusher)

    def _look(self, time_s: float, pusher: Array) -> Array:
        self._mood = Waiting(time_s + self._settings.reaction_s + self._human_noise.pause_s())
        return self._rest(pusher)

    def _rest(self, pusher: Array) -> Array:
        return np.repeat(pusher[None], ACTIONS, axis=0)

    def _decide(self, time_s: float, pusher: Array) -> Array:
        """Choose the next push, or go home.

        From the newest sight: it is the late one too unless something else moved the slider.
        """
        slider = self._seen[-1][0]
        clear = self._roadmap.escape(slider, pusher)
        roads = self._roadmap.around(slider)
        if self._is_good(slider):
            push, way = None, roads.from_point_to_point(clear, self._home)
        else:
            push = self._choice.best(slider, roads, clear)
            way = roads.from_point(clear, push[0])
        times, positions = self._settings.travel_pace.drive(np.vstack([pusher, way]))
        times = time_s + np.append(0, times / self._human_noise.pace())
        course = PusherTrajectory(times, np.vstack([pusher[None], positions]))
        self._mood = Travel(course, slider, push)
        return self._go_on_travelling(self._mood, time_s, pusher)

    def _go_on_travelling(self, mood: Travel, time_s: float, pusher: Array) -> Array:
        slider = self._seen[-1][0]
        if time_s >= mood.way.times_s[-1]:
            if mood.push is not None:
                self._mood = Pushing(*mood.push, self._human_noise.pace())
                return self._go_on_pushing(self._mood, time_s, pusher)
            self._done = self._is_good(slider)
            return self._rest(pusher) if self._done else self._look(time_s, pusher)
        strayed = float(np.linalg.norm(mood.way.at(time_s) - pusher))
        place, angle = slider.distance_to(mood.slider)
        if max(strayed, place, angle * self._c_m) > self._settings.moved_m:
            return self._decide(time_s, pusher)
        positions = mood.way.at(time_s + PERIOD_S * np.arange(1.0, ACTIONS + 1))
        return positions + self._human_noise.offset_m

    def _go_on_pushing(self, mood: Pushing, time_s: float, pusher: Array) -> Array:
        """Towards the contact and on, or look again when it is no longer worth it."""
        s, p, push = self._settings, self._primitives, mood.push
        slider, touches = self._imagined(push, pusher)
        worth_m = self._choice.worth_m(push, slider, mood.aim)
        to_contact = p.centres[push] - slider.inverse().transform(pusher)
        gap_m = float(to_contact @ p.normals[push])
        steer_m = self._wanted_lever(mood, slider, worth_m) - float(self._levers[push])
        aside_m = float(to_contact @ along(p.normals[push])) + steer_m
        if worth_m <= 0.0 or max(gap_m, abs(aside_m)) > s.lost_m:
            return self._look(time_s, pusher)
        direction = self._direction(push, slider.theta, aside_m, touches)
        fast = touches and worth_m > s.careful_m
        speed = (s.push_speed_m_s if fast else s.careful_speed_m_s) * mood.pace
        change = s.acceleration_m_s2 * PERIOD_S
        mood.speed_m_s += float(np.clip(speed - mood.speed_m_s, -change, change))
        remaining_m = max(gap_m, 0.0) + worth_m * p.stretch[push]
        ways = np.minimum(mood.speed_m_s * PERIOD_S * np.arange(1, ACTIONS + 1), remaining_m)
        ahead = pusher + ways[:, None] * direction
        return ahead if self._polygon.contains(ahead[0]) else self._look(time_s, pusher)

    def _direction(self, push: int, heading: float, aside_m: float, touches: bool) -> Array:
        """(2,) unit vector: as the contact itself moves, so it sticks, but for what is corrected.

        ``aside_m`` is how far along the face the contact should slide.
        """
        s, p = self._settings, self._primitives
        normal, twist = p.normals[push], p.twists[push]
        carried = twist[:2] + twist[2] * p.centres[push][::-1] * [-1, 1]
        forward = carried / p.stretch[push] if touches else normal
        aside = np.clip(s.slide_per_m * aside_m, -s.most_slide, s.most_slide)
        rotation = PlanarPose(0, 0, heading + self._human_noise.aim_rad)
        direction = rotation.transform(forward + aside * along(normal))
        return direction / np.linalg.norm(direction)

    def _imagined(self, push: int, pusher: Array) -> tuple[PlanarPose, bool]:
        """Where the slider is by now, after what was seen late; and whether it is touched."""
        seen, hand = self._seen[0]
        normal = self._primitives.normals[push]
        before = float((self._primitives.centres[push] - seen.inverse().transform(hand)) @ normal)
        moved = float((pusher - hand) @ PlanarPose(0, 0, seen.theta).transform(normal))
        length = max(0.0, moved - max(0.0, before)) / self._primitives.stretch[push]
        return self._primitives.pose_after(push, seen, length), moved >= before

    def _wanted_lever(self, mood: Pushing, slider: PlanarPose, worth_m: float) -> float:
        """Of the force about the centre of mass [m], so that the heading ends up right."""
        s = self._settings
        lever = float(self._levers[mood.push])
        if mood.aim.keeps_heading:
            after = self._primitives.pose_after(mood.push, slider, worth_m)
            missing = float((after.inverse() @ self._goal).theta)
            steer = missing * self._c_m**2 / max(worth_m, 0.02)
            lever += float(np.clip(steer, -s.most_steer_m, s.most_steer_m))
        low, high = self._lever_ranges[mood.push]
        return float(np.clip(lever, low, high))

    def _is_good(self, slider: PlanarPose) -> bool:
        position, angle = slider.distance_to(self._goal)
        return position <= self._settings.stop_m and angle <= self._settings.stop_rad


def along(normals: Array) -> Array:
    """Tangents (..., 2) along which the lever about the centre of mass grows."""
    return np.stack([normals[..., 1], -normals[..., 0]], axis=-1)


def _lever_ranges(p: PushPrimitives, levers: Array) -> Array:
    """(N, 2) smallest and largest lever of the contacts on the same face."""
    depth = np.sum(p.contacts * p.normals, axis=1)
    same = (np.abs(depth[:, None] - depth) < 1e-6) & (p.normals @ p.normals.T > 1 - 1e-6)
    low = np.where(same, levers, np.inf).min(axis=1)
    high = np.where(same, levers, -np.inf).max(axis=1)
    return np.column_stack([low, high])
