"""The pushes that the planner may choose from: contact points with normals on the outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.demonstrators.planner.settings import PlannerSettings
from pushcell.geometry import Array, PlanarPose
from pushcell.limit_surface import push_twists
from pushcell.task import SliderShape

_MIN_LEVER_M = 5e-5  # a push exactly through the centre of mass would have its pivot at infinity
_SIDE_GAP_M = 0.003  # between the pusher in contact and the other walls of a nook


@dataclass(frozen=True)
class PushPrimitives:
    """N pushes along inward normals at fixed contacts; all in the slider's frame.

    Each is a constant twist, that is a rotation about a fixed pivot of the slider.
    """

    contacts: Array  # (N, 2) [m]
    normals: Array  # (N, 2) inward unit normals
    centres: Array  # (N, 2) the pusher's centre while it pushes [m]
    approaches: Array  # (N, 2) where it comes from and goes back to [m]
    twists: Array  # (N, 3) per metre of push
    pivots: NDArray[np.complex128]  # (N,) x + i y [m]
    stretch: Array  # (N,) metres the pusher's centre travels per metre of push

    def __len__(self) -> int:
        return len(self.contacts)

    def poses_along(self, push: int, start: PlanarPose, lengths_m: Array) -> Array:
        """(K, 3) slider poses after lengths (K,) of one push; theta goes on without wrapping."""
        turns = self.twists[push, 2] * lengths_m
        shifts = self.pivots[push] * (1 - np.exp(1j * turns)) * np.exp(1j * start.theta)
        return np.column_stack([start.x + shifts.real, start.y + shifts.imag, start.theta + turns])

    def pose_after(self, push: int, start: PlanarPose, length_m: float) -> PlanarPose:
        """The slider's pose after a push."""
        return PlanarPose.from_array(self.poses_along(push, start, np.array([length_m]))[0])

    @classmethod
    def of(
        cls, shape: SliderShape, pusher_radius_m: float, c_m: float, settings: PlannerSettings
    ) -> PushPrimitives:
        """Evenly spread over the outline, wherever the pusher finds room."""
        contacts, normals = _spread(shape.outline, settings)
        lever = contacts[:, 0] * normals[:, 1] - contacts[:, 1] * normals[:, 0]
        along = np.column_stack([normals[:, 1], -normals[:, 0]])
        central = np.abs(lever) < _MIN_LEVER_M
        contacts = contacts + np.where(central, _MIN_LEVER_M, 0.0)[:, None] * along

        def centre(gap_m: float) -> Array:
            return contacts - (pusher_radius_m + gap_m) * normals

        def gap(centres: Array) -> Array:
            return shape.distance(PlanarPose(0, 0, 0), centres) - pusher_radius_m

        fits = gap(centre(_SIDE_GAP_M)) > _SIDE_GAP_M - 1e-9
        fits &= gap(centre(settings.clearance_m)) > _SIDE_GAP_M - 1e-9
        approaches, centres = centre(settings.clearance_m)[fits], centre(0.0)[fits]
        contacts, normals = contacts[fits], normals[fits]
        twists = push_twists(contacts, normals, c_m)
        omega = twists[:, 2]
        velocity = twists[:, :2] + omega[:, None] * centres[:, ::-1] * [-1, 1]
        pivots = as_complex(twists[:, 1::-1] * [-1, 1]) / omega
        stretch = np.linalg.norm(velocity, axis=1)
        return cls(contacts, normals, centres, approaches, twists, pivots, stretch)


def as_complex(points: Array) -> NDArray[np.complex128]:
    """Points (..., 2) as x + i y, in which turning is multiplying."""
    return np.asarray(points[..., 0] + 1j * points[..., 1], dtype=np.complex128)


def _spread(outline: Array, settings: PlannerSettings) -> tuple[Array, Array]:
    """Contact points (N, 2) over the edges, with inward normals (N, 2)."""
    edges = np.roll(outline, -1, axis=0) - outline
    lengths = np.linalg.norm(edges, axis=1)
    spacing = lengths.sum() / settings.primitives
    contacts, normals = [], []
    for corner, edge, length in zip(outline, edges, lengths, strict=True):
        margin = min(settings.corner_margin_m, length / 2)
        count = round((length - 2 * margin) / spacing) + 1
        along = np.linspace(margin, length - margin, count) if count > 1 else [length / 2]
        for distance in along:
            contacts.append(corner + edge * distance / length)
            normals.append(np.array([-edge[1], edge[0]]) / length)
    return np.array(contacts), np.array(normals)
