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

from pushcell.demonstrators.planner.primitives import PushPrimitives
from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.geometry import Array, PlanarPose

_SINGLE_STEPS = 351
_NEAR_M, _NEAR_RAD = 0.05, 0.5  # from here a plan is a correction, and need not be exact
_EXACT_M = 0.001


@dataclass(frozen=True)
class Sequences:
    """M candidates; a shorter one repeats its last push with length zero."""

    pushes: NDArray[np.int64]  # (M, 3)
    lengths: Array  # (M, 3) [m], along the contact's normal
    place_left: Array  # (M,) how far from the goal they end [m]
    angle_left: Array  # (M,) [rad]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Sequences:
        """Some of the candidates."""
        return Sequences(
            self.pushes[rows], self.lengths[rows], self.place_left[rows], self.angle_left[rows]
        )

    def and_also(self, other: Sequences) -> Sequences:
        """These and others."""
        return Sequences(
            np.concatenate([self.pushes, other.pushes]),
            np.concatenate([self.lengths, other.lengths]),
            np.concatenate([self.place_left, other.place_left]),
            np.concatenate([self.angle_left, other.angle_left]),
        )


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

    def solve(self, start: PlanarPose, goal: PlanarPose, tolerance_m: float) -> Sequences:
        """Every sequence that takes the slider from the start pose to the goal."""
        relative = start.inverse() @ goal
        found = self._triplets_and_pairs(relative).and_also(self._singles(relative))
        near = found.place_left < tolerance_m
        return found.take(near & (found.angle_left < self._settings.tolerance_rad))

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
        length3 = np.where(pair, 0.0, self._length(a3, k))
        good = (length1 < longest) & (length3 < longest)
        pushes = np.stack([i, j, np.where(pair, j, k)], axis=1)[good]
        lengths = np.stack([length1, length2, length3], axis=1)[good]
        return self._without_tiny_pushes(pushes, lengths, relative)

    def _without_tiny_pushes(
        self, pushes: NDArray[np.int64], lengths: Array, relative: PlanarPose
    ) -> Sequences:
        """Leave out what no pusher can do; the rest ends off the goal by a little."""
        tiny = lengths < self._settings.min_push_m
        order = np.argsort(tiny, axis=1, kind="stable")
        pushes = np.take_along_axis(pushes, order, 1)
        lengths = np.take_along_axis(np.where(tiny, 0.0, lengths), order, 1)
        for stage in (1, 2):
            before = pushes[:, stage - 1]
            pushes[:, stage] = np.where(lengths[:, stage] > 0, pushes[:, stage], before)
        place_left, angle_left = np.zeros((2, len(pushes)))
        shortened = tiny.any(axis=1)
        left = self._left(pushes[shortened], lengths[shortened], relative)
        place_left[shortened], angle_left[shortened] = left
        return Sequences(pushes, lengths, place_left, angle_left).take(lengths[:, 0] > 0)

    def _left(
        self, pushes: NDArray[np.int64], lengths: Array, relative: PlanarPose
    ) -> tuple[Array, Array]:
        """How far from the goal sequences (M, 3) end: (M,) [m] and (M,) [rad]."""
        turns = self._omega[pushes] * lengths
        headings = np.exp(1j * np.cumsum(turns, axis=1))
        before = np.exp(-1j * turns) * headings
        place = (self._pivots[pushes] * (before - headings)).sum(axis=1)
        left = np.abs(place - complex(relative.x, relative.y))
        return left, np.abs(_wrap(turns.sum(axis=1) - relative.theta))

    def _singles(self, relative: PlanarPose) -> Sequences:
        """Every single push with its best length."""
        s = self._settings
        every = np.arange(len(self._primitives))
        lengths = np.linspace(s.min_push_m, s.max_push_m, _SINGLE_STEPS)
        turns = lengths * self._omega[every, None]
        moves = self._pivots[every, None] * (1 - np.exp(1j * turns))
        place = np.abs(moves - complex(relative.x, relative.y))
        angle = np.abs(_wrap(turns - relative.theta))
        best = s.residual_cost(place, angle).argmin(axis=1)
        pushes = np.repeat(every[:, None], 3, axis=1)
        padded = np.column_stack([lengths[best], np.zeros((len(every), 2))])
        return Sequences(pushes, padded, place[every, best], angle[every, best])

    def _length(self, angle: Array, push: NDArray[np.int64]) -> Array:
        """The length >= 0 of a push that turns the slider by the angle, up to whole turns."""
        omega = self._omega[push]
        return np.mod(angle * np.sign(omega), 2 * np.pi) / np.abs(omega)


def _wrap(angle: Array) -> Array:
    return np.mod(angle + np.pi, 2 * np.pi) - np.pi
