"""All sequences of up to three pushes that take the slider to a pose, in closed form.

A push turns the slider by an angle a about a pivot c fixed in it. Three of them in a row make
the relative pose (d, turn) exactly when (complex numbers for vectors)

    d - c1 + e^(i turn) c3 = e^(i a1) (c2 - c1) + e^(i (a1 + a2)) (c3 - c2),
    a1 + a2 + a3 = turn:

the inverse kinematics of an arm of two links, whose two solutions are well known. So every
ordered triplet is tried, and no iteration can miss one. Pairs come out of the same formula with
a turn about the centre of mass as third push: they reach the position, and what is left of the
angle must be small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.planner.primitives import PushPrimitives
from pushcell.simulation.planner.settings import PlannerSettings

_SINGLE_STEPS = 141


@dataclass(frozen=True)
class Sequences:
    """M candidates; a shorter one repeats its last push with length zero."""

    pushes: NDArray[np.int64]  # (M, 3)
    lengths: Array  # (M, 3) [m], along the contact's normal
    residual_cost: Array  # (M,) [s]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Sequences:
        """Some of the candidates."""
        return Sequences(self.pushes[rows], self.lengths[rows], self.residual_cost[rows])


class SequenceSolver:
    """Solves for the lengths of all sequences of the given primitives."""

    def __init__(self, primitives: PushPrimitives, settings: PlannerSettings) -> None:
        self._settings = settings
        self._primitives = primitives
        count = len(primitives)
        self._omega = np.append(primitives.twists[:, 2], 1.0)
        self._pivots = np.append(primitives.pivots, 0.0)  # the last: turning on the spot
        self._angle_only = count
        link = self._pivots[None, :] - self._pivots[:, None]  # (N + 1, N + 1), from row to column
        self._link1, self._link2 = link[:count, :count], link[:count]
        length1, length2 = np.abs(self._link1), np.abs(self._link2)
        self._squares = length1[:, :, None] ** 2 + length2[None] ** 2
        with np.errstate(divide="ignore"):
            self._half_inverse = 0.5 / (length1[:, :, None] * length2[None])
        self._bend = np.angle(self._link2)[None] - np.angle(self._link1)[:, :, None]
        same = np.eye(count, count + 1, dtype=bool)
        self._usable = ~(same[:, :count, None] | same[None])

    def solve(self, start: PlanarPose, goal: PlanarPose) -> Sequences:
        """Every sequence that takes the slider from the start pose to the goal."""
        relative = start.inverse() @ goal
        some = [self._triplets_and_pairs(relative), self._singles(relative)]
        return Sequences(
            np.concatenate([part.pushes for part in some]),
            np.concatenate([part.lengths for part in some]),
            np.concatenate([part.residual_cost for part in some]),
        )

    def _triplets_and_pairs(self, relative: PlanarPose) -> Sequences:
        turn, longest = relative.theta, self._settings.max_push_m
        target = (
            complex(relative.x, relative.y)
            - self._pivots[:-1, None]
            + np.exp(1j * turn) * self._pivots[None]
        )
        with np.errstate(invalid="ignore"):
            cosine = (np.abs(target)[:, None, :] ** 2 - self._squares) * self._half_inverse
        i, j, k = np.nonzero(self._usable & (np.abs(cosine) <= 1))
        elbow, bend = np.arccos(cosine[i, j, k]), self._bend[i, j, k]
        i, j, k = (np.tile(index, 2) for index in (i, j, k))
        a2 = np.concatenate([elbow - bend, -elbow - bend])

        length2 = self._length(a2, j)
        short = length2 < longest
        i, j, k = i[short], j[short], k[short]
        a2, length2 = a2[short], length2[short]

        arm = self._link1[i, j] + self._link2[j, k] * np.exp(1j * a2)
        a1 = np.angle(target[i, k]) - np.angle(arm)
        length1 = self._length(a1, i)
        a3 = turn - a1 - a2
        pair = k == self._angle_only
        angle_left = np.where(pair, np.abs(_wrap(a3)), 0.0)
        length3 = np.where(pair, 0.0, self._length(a3, k))
        good = (length1 < longest) & (length3 < longest)
        good &= angle_left < self._settings.max_residual_angle_rad
        pushes = np.stack([i, j, np.where(pair, j, k)], axis=1)[good]
        lengths = np.stack([length1, length2, length3], axis=1)[good]
        return self._without_tiny_pushes(pushes, lengths, angle_left[good])

    def _without_tiny_pushes(
        self, pushes: NDArray[np.int64], lengths: Array, angle_left: Array
    ) -> Sequences:
        """Leave out what no pusher can do, where the goal is still good enough without."""
        s = self._settings
        tiny = lengths < s.min_push_m
        left_out = np.where(tiny, lengths, 0.0)
        place_left = left_out.sum(axis=1)
        angle_left = angle_left + (left_out * np.abs(self._omega[pushes])).sum(axis=1)
        lengths = np.where(tiny, 0.0, lengths)
        order = np.argsort(tiny, axis=1, kind="stable")
        pushes = np.take_along_axis(pushes, order, 1)
        lengths = np.take_along_axis(lengths, order, 1)
        for stage in (1, 2):
            before = pushes[:, stage - 1]
            pushes[:, stage] = np.where(lengths[:, stage] > 0, pushes[:, stage], before)
        good = (place_left < s.max_residual_m) & (angle_left < s.max_residual_angle_rad)
        cost = self._residual_cost(place_left, angle_left)
        return Sequences(pushes, lengths, cost).take(good & (lengths[:, 0] > 0))

    def _residual_cost(self, place_m: Array, angle_rad: Array) -> Array:
        s = self._settings
        return place_m * s.residual_cost_s_per_m + angle_rad * s.residual_cost_s_per_rad

    def _singles(self, relative: PlanarPose) -> Sequences:
        """The best length of each single push, where that is good enough."""
        s = self._settings
        count = len(self._primitives)
        lengths = np.linspace(s.min_push_m, s.max_push_m, _SINGLE_STEPS)
        turns = lengths * self._omega[:count, None]
        pivots = self._pivots[:count, None]
        off = np.abs(pivots * (1 - np.exp(1j * turns)) - complex(relative.x, relative.y))
        angle = np.abs(_wrap(turns - relative.theta))
        cost = self._residual_cost(off, angle)
        best = cost.argmin(axis=1)
        every = np.arange(count)
        good = (off[every, best] < s.max_residual_m) & (
            angle[every, best] < s.max_residual_angle_rad
        )
        pushes = np.repeat(every[:, None], 3, axis=1)
        first = np.column_stack([lengths[best], np.zeros((count, 2))])
        return Sequences(pushes, first, cost[every, best]).take(good)

    def _length(self, angle: Array, push: NDArray[np.int64]) -> Array:
        """The length >= 0 of a push that turns the slider by the angle, up to whole turns."""
        omega = self._omega[push]
        return np.mod(angle * np.sign(omega), 2 * np.pi) / np.abs(omega)


def _wrap(angle: Array) -> Array:
    return np.mod(angle + np.pi, 2 * np.pi) - np.pi
