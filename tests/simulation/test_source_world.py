"""The source world against the closed form, and properties that hold for any motion."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import PushcellError
from pushcell.geometry import Array, PlanarPose
from pushcell.limit_surface import dragged_turn, push_twists
from pushcell.simulation.source_world import SourceWorld
from pushcell.task import SLIDERS

CELL = load_cell(Path(__file__).parents[2] / "config/cell.sim.yaml")
RADIUS, C = CELL.pusher.radius_m, CELL.simulated.limit_surface_c_m
START = PlanarPose(0.55, -0.05, 0.7)
FAR = np.array([0.85, 0.25])


def cell_with(slider: str) -> CellConfig:
    task = CELL.task.model_copy(update={"slider": slider})
    return CELL.model_copy(update={"task": task})


def faces(name: str) -> list[tuple[Array, Array]]:
    """Middle and inward normal of each face on which a pusher finds room."""
    shape = SLIDERS[name]
    edges = np.roll(shape.outline, -1, axis=0) - shape.outline
    middles = shape.outline + edges / 2
    normals = np.column_stack([-edges[:, 1], edges[:, 0]]) / np.linalg.norm(edges, axis=1)[:, None]
    origin = PlanarPose(0, 0, 0)
    return [
        (middle, normal)
        for middle, normal in zip(middles, normals, strict=True)
        if shape.distance(origin, middle - RADIUS * normal) > RADIUS - 1e-6
    ]


@pytest.mark.parametrize("name", SLIDERS)
def test_a_push_along_a_normal_is_the_closed_form_exponential(name: str) -> None:
    length = 0.1
    for middle, normal in faces(name):
        centre = middle - RADIUS * normal
        twist = push_twists(middle, normal, C)
        poses = [START @ PlanarPose.exp(twist * s) for s in np.linspace(0, length, 41)]
        world = SourceWorld(cell_with(name))
        world.reset(START, START.transform(centre))
        for pose in poses[1:]:
            world.advance(pose.transform(centre), 0.1)
        position, angle = world.slider_pose.distance_to(poses[-1])
        assert position < 1e-4
        assert angle < 1e-3
        assert abs(poses[-1].theta - START.theta) + np.hypot(*poses[-1].position) > 0.01


def test_a_dragged_turn_integrates_its_differential_equation() -> None:
    lever, step = np.array([0.04, -0.03]), np.array([0.02, 0.07])
    angle, pieces = 0.0, 20000
    for _ in range(pieces):
        q = PlanarPose(0, 0, angle).transform(lever)
        angle += (q[0] * step[1] - q[1] * step[0]) / pieces / (C**2 + q @ q)
    assert dragged_turn(*lever, *step, C) == pytest.approx(angle, abs=1e-5)


def random_walk(rng: np.random.Generator, steps: int, reach: float) -> Array:
    """Pusher targets that keep coming back to the slider from all sides, at any step size."""
    angles = rng.uniform(-math.pi, math.pi, steps)
    return START.position + reach * rng.uniform(0, 1, (steps, 1)) * np.column_stack(
        [np.cos(angles), np.sin(angles)]
    )


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SLIDERS)), st.integers(0, 2**31), st.sampled_from([0.12, 0.3]))
def test_the_pusher_never_enters_the_slider(name: str, seed: int, reach: float) -> None:
    world = SourceWorld(cell_with(name))
    world.reset(START, FAR)
    for target in random_walk(np.random.default_rng(seed), 25, reach):
        world.advance(target, 0.1)
        assert world.pusher_position == pytest.approx(target, abs=1e-12)
        gap = world_gap(world, name)
        assert gap > -5e-5


def world_gap(world: SourceWorld, name: str) -> float:
    distance = SLIDERS[name].distance(world.slider_pose, world.pusher_position)
    return float(distance) - RADIUS


@pytest.mark.parametrize("name", SLIDERS)
@pytest.mark.parametrize("heading", np.linspace(-3, 3, 7))
def test_one_long_move_through_the_slider_takes_it_along(name: str, heading: float) -> None:
    """No tunnelling: a pusher sent through the centre in one step ends in front of nothing."""
    along = np.array([math.cos(heading), math.sin(heading)])
    world = SourceWorld(cell_with(name))
    world.reset(START, START.position - 0.25 * along)
    world.advance(START.position + 0.25 * along, 0.1)
    assert world_gap(world, name) > -5e-5
    moved = (world.slider_pose.position - START.position) @ along
    assert moved > 0.1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.floats(-3, 3))
def test_the_physics_does_not_depend_on_the_frame(seed: int, turn: float) -> None:
    moved = PlanarPose(0.1, -0.2, turn)
    targets = random_walk(np.random.default_rng(seed), 6, 0.12)
    plain, shifted = SourceWorld(CELL), SourceWorld(CELL)
    plain.reset(START, FAR)
    shifted.reset(moved @ START, moved.transform(FAR))
    for target in targets:
        plain.advance(target, 0.1)
        shifted.advance(moved.transform(target), 0.1)
    position, angle = (moved @ plain.slider_pose).distance_to(shifted.slider_pose)
    assert position < 1e-4
    assert angle < 1e-3


def test_a_straight_move_may_be_cut_into_pieces() -> None:
    start, end = np.array([0.35, -0.02]), np.array([0.7, -0.05])
    whole, cut = SourceWorld(CELL), SourceWorld(CELL)
    whole.reset(START, start)
    cut.reset(START, start)
    whole.advance(end, 1.0)
    for fraction in np.linspace(0, 1, 51)[1:]:
        cut.advance(start + fraction * (end - start), 0.02)
    position, angle = whole.slider_pose.distance_to(cut.slider_pose)
    assert position < 5e-4
    assert angle < 5e-3
    assert cut.time_s == pytest.approx(whole.time_s)


def test_a_slider_moves_only_while_it_is_pushed() -> None:
    middle, normal = faces("t")[0]
    touching = START.transform(middle - RADIUS * normal)
    away = START.transform(middle - 0.1 * normal)
    world = SourceWorld(CELL)
    world.reset(START, away)
    world.advance(touching, 0.1)
    assert world.slider_pose.distance_to(START) == pytest.approx((0, 0), abs=1e-6)
    world.advance(START.transform(middle + (0.02 - RADIUS) * normal), 0.1)
    pushed = world.slider_pose
    assert pushed.distance_to(START)[0] > 0.005
    world.advance(pushed.transform(middle - 0.1 * normal), 0.1)
    assert world.slider_pose == pushed


def test_bad_input_is_refused() -> None:
    world = SourceWorld(CELL)
    with pytest.raises(PushcellError, match="overlap"):
        world.reset(START, START.position)
    with pytest.raises(ValueError, match="finite"):
        world.advance([math.nan, 0], 0.1)
    with pytest.raises(ValueError, match="positive time"):
        world.advance([0.5, 0.1], 0.0)
