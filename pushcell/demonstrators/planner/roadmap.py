"""Shortest paths of the pusher round the slider: a visibility graph in the slider's frame.

Nodes are the points where pushes begin and end, and two points round each outer corner, all at
the travelling clearance. A straight move is allowed when it stays clear, or at least never
comes nearer than its own ends: so the pusher gets out of a nook.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import PlanningError
from pushcell.geometry import Array, ConvexPolygon, PlanarPose, signed_distance_to_outline
from pushcell.task import SliderShape

_SLACK_M = 1e-6
_ESCAPE_DIRECTIONS = 32
_ESCAPE_DISTANCES_M = np.arange(0.002, 0.08, 0.002)


class Roadmap:
    """The graph of one slider shape; `around` gives the roads at a pose inside the workspace."""

    def __init__(
        self,
        shape: SliderShape,
        approaches: Array,
        pusher_radius_m: float,
        clearance_m: float,
        workspace: ConvexPolygon,
    ) -> None:
        self._shape = shape
        self._workspace = workspace
        self._travel_gap = pusher_radius_m + clearance_m
        self._enough_gap = pusher_radius_m + clearance_m / 2
        self.nodes = np.vstack([approaches, _corner_nodes(shape, self._travel_gap)])
        self._links = self.links(self.nodes[:, None], self.nodes[None])
        self._free = _shortest_paths(self._links)
        self.free_lengths = self._free[0]

    def links(self, start: Array, end: Array) -> Array:
        """Lengths of straight moves (..., 2) in the slider's frame [m]; inf where blocked."""
        ends_gap = np.minimum(self._gap(start), self._gap(end))
        gap = _segment_distance(start, end, self._shape.outline)
        free = (ends_gap > 0) & (gap >= np.minimum(ends_gap, self._travel_gap) - _SLACK_M)
        return np.where(free, np.linalg.norm(end - start, axis=-1), np.inf)

    def around(self, slider: PlanarPose) -> Roads:
        """The roads at this pose, along nodes inside the workspace only."""
        nodes = slider.transform(self.nodes)
        usable = self._workspace.contains(nodes)
        if usable.all():
            return Roads(self, slider, nodes, usable, *self._free)
        links = np.where(usable[:, None] & usable, self._links, np.inf)
        return Roads(self, slider, nodes, usable, *_shortest_paths(links))

    def escape(self, slider: PlanarPose, pusher: Array) -> Array:
        """The nearest point (2,) clear of the slider; the pusher's own where that is clear.

        Raises PlanningError when no straight move leads there without pushing.
        """
        start = slider.inverse().transform(pusher)
        if self._gap(start) >= self._enough_gap - _SLACK_M:
            return pusher
        angles = np.linspace(0, 2 * math.pi, _ESCAPE_DIRECTIONS, endpoint=False)
        directions = np.column_stack([np.cos(angles), np.sin(angles)])
        ends = (start + _ESCAPE_DISTANCES_M[:, None, None] * directions).reshape(-1, 2)
        ends = ends[self._workspace.contains(slider.transform(ends))]
        ends = ends[self._gap(ends) >= self._enough_gap]
        ends = ends[np.isfinite(self.links(start, ends))]
        if not len(ends):
            raise PlanningError(
                f"the pusher at {np.round(pusher, 4)} m cannot leave the slider at {slider} "
                "without pushing it: move one of them by hand"
            )
        return slider.transform(ends[0])

    def _gap(self, points: Array) -> Array:
        return self._shape.distance(PlanarPose(0, 0, 0), points)


@dataclass(frozen=True)
class Roads:
    """Shortest paths at one pose of the slider; points in the base frame."""

    roadmap: Roadmap
    slider: PlanarPose
    nodes: Array  # (M, 2) [m]
    usable: NDArray[np.bool_]  # (M,)
    lengths: Array  # (M, M) between nodes [m], inf where there is no path
    _hops: NDArray[np.int64]  # (M, M) first node on the way from row to column

    def lengths_from(self, point: Array) -> Array:
        """(M,) length of the shortest path from a point to each node [m]."""
        return (self._entries(point)[:, None] + self.lengths).min(axis=0)

    def between(self, start: int, end: int) -> Array:
        """(K, 2) path from node to node; the caller has seen that ``lengths`` is finite."""
        path = [start]
        while path[-1] != end:
            path.append(int(self._hops[path[-1], end]))
        return self.nodes[path]

    def from_point(self, point: Array, end: int) -> Array:
        """(K, 2) path from a point to a node; raises PlanningError when there is none."""
        total = self._entries(point) + self.lengths[:, end]
        entry = int(total.argmin())
        self._check(total[entry], point, self.nodes[end])
        return np.vstack([point, self.between(entry, end)])

    def from_point_to_point(self, start: Array, end: Array) -> Array:
        """(K, 2) path; raises PlanningError when there is none."""
        to_slider = self.slider.inverse().transform
        if np.isfinite(self.roadmap.links(to_slider(start), to_slider(end))):
            return np.stack([start, end])
        total = self._entries(end) + self.lengths_from(start)
        last = int(total.argmin())
        self._check(total[last], start, end)
        return np.vstack([self.from_point(start, last), end])

    def _entries(self, point: Array) -> Array:
        """(M,) lengths of the straight moves from a point to the nodes."""
        start = self.slider.inverse().transform(point)
        return np.where(self.usable, self.roadmap.links(start, self.roadmap.nodes), np.inf)

    def _check(self, length_m: float, start: Array, end: Array) -> None:
        if not math.isfinite(length_m):
            raise PlanningError(
                f"no way for the pusher from {np.round(start, 4)} to {np.round(end, 4)} m round "
                f"the slider at {self.slider} inside the workspace: move the slider inwards"
            )


def _corner_nodes(shape: SliderShape, gap_m: float) -> Array:
    """Two points round each outer corner: a chamfer that keeps the gap to the corner."""
    before = shape.outline - np.roll(shape.outline, 1, axis=0)
    after = np.roll(before, -1, axis=0)
    headings = np.arctan2(before[:, 1], before[:, 0])
    turns = np.arctan2(
        before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], (before * after).sum(axis=1)
    )
    nodes = []
    for corner, heading, turn in zip(shape.outline, headings, turns, strict=True):
        for part in (0.25, 0.75) if turn > 0 else ():
            outward = heading - math.pi / 2 + part * turn
            # A hair more than touching, so that the links along the faces are not blocked.
            reach = (gap_m + _SLACK_M) / math.cos(turn / 4)
            nodes.append(corner + reach * np.array([math.cos(outward), math.sin(outward)]))
    points = np.array(nodes)
    return points[shape.distance(PlanarPose(0, 0, 0), points) >= gap_m]


def _segment_distance(start: Array, end: Array, outline: Array) -> Array:
    """Distance of segments (..., 2) to a closed outline [m]; 0 where they cross it."""
    start, end = np.broadcast_arrays(start, end)
    move = (end - start)[..., None, :]
    from_start = outline - start[..., None, :]
    squared = np.maximum((move * move).sum(axis=-1), 1e-18)
    along = np.clip((from_start * move).sum(axis=-1) / squared, 0, 1)
    corners = np.linalg.norm(from_start - along[..., None] * move, axis=-1).min(axis=-1)

    edge = np.roll(outline, -1, axis=0) - outline
    side = _cross(move, from_start)
    apart = side * np.roll(side, -1, axis=-1) > 0
    to_end = end[..., None, :] - outline
    same_side = _cross(edge, -from_start) * _cross(edge, to_end) > 0
    crosses = ~(apart | same_side).all(axis=-1)

    ends = np.minimum(_outline_distance(start, outline), _outline_distance(end, outline))
    return np.where(crosses, 0.0, np.minimum(corners, ends))


def _outline_distance(points: Array, outline: Array) -> Array:
    return np.abs(signed_distance_to_outline(points, outline))


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _shortest_paths(links: Array) -> tuple[Array, NDArray[np.int64]]:
    """Floyd and Warshall: lengths (M, M), and the first node (M, M) on the way."""
    lengths = links.copy()
    np.fill_diagonal(lengths, 0.0)
    hops = np.broadcast_to(np.arange(len(links)), links.shape).copy()
    for middle in range(len(links)):
        detour = lengths[:, middle, None] + lengths[middle]
        better = detour < lengths
        lengths = np.where(better, detour, lengths)
        hops = np.where(better, hops[:, middle, None], hops)
    return lengths, hops
