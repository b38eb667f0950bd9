"""Roads keep clear of the slider and inside the workspace, and are not longer than they need."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrators.planner import PlannerSettings, PushPlanner
from pushcell.demonstrators.planner.roadmap import Roadmap
from pushcell.errors import PlanningError
from pushcell.geometry import Array, PlanarPose
from pushcell.task import SLIDERS

CLEARANCE_M = PlannerSettings().clearance_m
SIDE_GAP_M = 0.003


def roadmap_of(planner: PushPlanner, name: str, cell: CellConfig) -> Roadmap:
    approaches = planner.primitives.approaches
    radius, workspace = cell.pusher.radius_m, cell.workspace.polygon
    return Roadmap(SLIDERS[name], approaches, radius, CLEARANCE_M, workspace)


def sampled(path: Array) -> Array:
    """Points every fraction of a millimetre along a polyline."""
    pieces = [np.linspace(a, b, 200) for a, b in pairwise(path)]
    return np.concatenate(pieces)


def length(path: Array) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def test_roads_are_clear_inside_and_as_long_as_said(
    slider: str,
    cell: CellConfig,
    planner_of: Callable[[str], PushPlanner],
    starts: Callable[..., list[PlanarPose]],
) -> None:
    roadmap = roadmap_of(planner_of(slider), slider, cell)
    rng = np.random.default_rng(3)
    for pose in starts(slider, 5):
        roads = roadmap.around(pose)
        usable = np.flatnonzero(roads.usable)
        for start, end in (rng.choice(usable, 2, replace=False) for _ in range(8)):
            if not math.isfinite(roads.lengths[start, end]):
                continue
            path = roads.between(start, end)
            gap = SLIDERS[slider].distance(pose, sampled(path)) - cell.pusher.radius_m
            assert gap.min() >= SIDE_GAP_M - 1e-5
            assert cell.workspace.polygon.contains(path).all()
            assert length(path) == pytest.approx(roads.lengths[start, end])
            assert length(path) >= np.linalg.norm(path[0] - path[-1]) - 1e-12


def test_no_detour_where_the_way_is_free_and_one_where_it_is_not(
    cell: CellConfig, planner_of: Callable[[str], PushPlanner]
) -> None:
    roads = roadmap_of(planner_of("box"), "box", cell).around(PlanarPose(0.6, 0.0, 0.0))
    home, beside = np.array([0.587, 0.15]), np.array([0.5, 0.12])
    below = np.array([0.587, -0.15])
    assert len(roads.from_point_to_point(home, beside)) == 2
    around = roads.from_point_to_point(home, below)
    assert length(around) > 0.3 + 0.01
    gap = SLIDERS["box"].distance(roads.slider, sampled(around)) - cell.pusher.radius_m
    assert gap.min() >= CLEARANCE_M - 1e-5


def test_a_touching_pusher_escapes_without_pushing(
    slider: str, cell: CellConfig, planner_of: Callable[[str], PushPlanner]
) -> None:
    planner, pose = planner_of(slider), PlanarPose(0.6, 0.0, 0.4)
    roadmap, radius = roadmap_of(planner, slider, cell), cell.pusher.radius_m
    for centre in pose.transform(planner.primitives.centres):
        clear = roadmap.escape(pose, centre)
        way = SLIDERS[slider].distance(pose, np.linspace(centre, clear, 50)) - radius
        assert way.min() > -1e-5
        assert way[-1] >= CLEARANCE_M / 2 - 1e-9
        assert roadmap.escape(pose, clear) == pytest.approx(clear)


def test_no_road_is_an_error_that_names_the_places(
    cell: CellConfig, planner_of: Callable[[str], PushPlanner]
) -> None:
    roadmap = roadmap_of(planner_of("t"), "t", cell)
    inside_the_bar = PlanarPose(0.6, 0.0, 0.0)
    with pytest.raises(PlanningError, match=r"0\.6.*cannot leave the slider"):
        roadmap.escape(inside_the_bar, np.array([0.6, 0.035]))
