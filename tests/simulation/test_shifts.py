"""Shifts: what each level changes, and that it changes nothing else."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pushcell.cameras.overlay import project
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.geometry import PlanarPose, Pose
from pushcell.simulation.shifts import (
    CAMERA_YAW_RAD,
    CENTRE_OF_MASS_Y_M,
    COLOUR_MEAN,
    COLOUR_RANDOMISATION,
    GOAL_Y_M,
    Shifts,
    VisualRandomization,
    Visuals,
    physics_of,
    shifted_cell,
)
from pushcell.task import SLIDERS, slider_of

PARTS = ("table", "slider", "background")


def draws(
    cell: CellConfig, world: str, *words: str, count: int = 200, **gaps: bool
) -> list[Visuals]:
    drawn = VisualRandomization(cell, world, Shifts.parse(words, **gaps))
    return [drawn.draw(np.random.default_rng(seed)) for seed in range(count)]


def colours(drawn: list[Visuals], part: str) -> np.ndarray:
    return np.array([getattr(visuals.appearance, part) for visuals in drawn])


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_the_goal_moves_and_stays_in_the_workspace(cell: CellConfig, level: int) -> None:
    shifted = shifted_cell(cell, Shifts.parse([f"goal={level}"]))
    moved = np.array(shifted.task.goal) - cell.task.goal
    assert moved == pytest.approx([0, GOAL_Y_M[level - 1], 0])
    assert shifted.model_copy(update={"task": cell.task}).model_dump() == cell.model_dump()


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_another_centre_of_mass_leaves_the_outline_at_the_goal_where_it_was(
    cell: CellConfig, level: int
) -> None:
    shifted = shifted_cell(cell, Shifts.parse([f"centre_of_mass={level}"]))
    before, after = (slider_of(c.task).outline_at(c.task.goal_pose) for c in (cell, shifted))
    np.testing.assert_allclose(after, before, atol=1e-12)
    offset = CENTRE_OF_MASS_Y_M[level - 1]
    middle = slider_of(shifted.task).outline - slider_of(cell.task).outline
    np.testing.assert_allclose(middle, np.tile([0, -offset], (len(middle), 1)), atol=1e-12)


def test_a_centre_of_mass_outside_the_object_is_refused(cell: CellConfig) -> None:
    shifted = shifted_cell(cell, Shifts.parse(["object=box", "centre_of_mass=4"]))
    with pytest.raises(ConfigError, match="outside slider 'box'"):
        slider_of(shifted.task)


@pytest.mark.parametrize("name", SLIDERS)
def test_another_object(cell: CellConfig, name: str) -> None:
    assert slider_of(shifted_cell(cell, Shifts.parse([f"object={name}"])).task).name == name


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_mean_colours_move_by_the_distance_of_their_level(cell: CellConfig, level: int) -> None:
    (plain,) = draws(cell, "target", count=1)
    (shifted,) = draws(cell, "target", f"colour_mean={level}", count=1)
    for part in PARTS:
        before, after = colours([plain], part)[0], colours([shifted], part)[0]
        assert np.linalg.norm(after - before) == pytest.approx(COLOUR_MEAN[level - 1])
        assert (after >= 0).all()
        assert (after <= 1).all()


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_colours_spread_evenly_as_far_as_their_level_says(cell: CellConfig, level: int) -> None:
    drawn = draws(cell, "source", f"colour_randomisation={level}")
    reach = COLOUR_RANDOMISATION[level - 1]
    for part in PARTS:
        mean = np.array(getattr(cell.simulated.source, part))
        low, high = np.maximum(mean - reach, 0), np.minimum(mean + reach, 1)
        found = colours(drawn, part)
        assert (found >= low).all()
        assert (found <= high).all()
        # With two hundred draws the outer twentieth is empty once in ten thousand times.
        assert (found.min(axis=0) < low + 0.05 * (high - low)).all()
        assert (found.max(axis=0) > high - 0.05 * (high - low)).all()


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_the_overhead_camera_goes_round_the_goal_and_still_sees_it(
    cell: CellConfig, level: int
) -> None:
    (plain,) = draws(cell, "target", count=1)
    (shifted,) = draws(cell, "target", f"camera={level}", count=1)
    goal = np.array([[*cell.task.goal[:2], 0.0]])
    views = []
    for visuals in (plain, shifted):
        overhead, wrist = visuals.cameras
        assert wrist == cell.cameras[1]
        views.append(overhead.pose_in_link)
        pixel = project(overhead, overhead.pose_in_link, goal)
        assert pixel == pytest.approx(project(cell.cameras[0], cell.cameras[0].pose_in_link, goal))
    turn = views[1].rotation @ views[0].rotation.T
    assert turn[2, 2] == pytest.approx(1)
    assert math.atan2(turn[1, 0], turn[0, 0]) == pytest.approx(-CAMERA_YAW_RAD[level - 1])


def test_the_source_worlds_camera_is_a_little_off_each_time(cell: CellConfig) -> None:
    drawn = draws(cell, "source")
    true = cell.cameras[0].pose_in_link
    off = [true.inverse() @ visuals.cameras[0].pose_in_link for visuals in drawn]
    places = np.array([visuals.cameras[0].xyz_m for visuals in drawn])
    assert np.ptp(places, axis=0) == pytest.approx([0.02] * 3, rel=0.1)
    angles = [np.arccos((np.trace(pose.rotation) - 1) / 2) for pose in off]
    assert max(angles) < math.radians(3)
    assert np.linalg.norm(places.mean(axis=0) - true.translation) > 0.003  # not only jitter
    assert len({visuals.cameras[1] for visuals in drawn}) == 1


def test_the_target_world_looks_as_configured(cell: CellConfig) -> None:
    for visuals in draws(cell, "target", count=3):
        assert visuals == Visuals(cell.simulated.target, cell.cameras)
    assert not VisualRandomization(cell, "target", Shifts()).vary
    assert draws(cell, "source", visual_gap=False) == draws(cell, "target")


def test_whose_physics() -> None:
    for world, gap in itertools.product(("source", "target"), (True, False)):
        expected = "source" if world == "source" and gap else "target"
        assert physics_of(world, Shifts(physics_gap=gap)) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["weather=3"], "no shift 'weather'; known are: colour_mean, .*, object, camera_bump"),
        (["goal=5"], "goal has no level '5'; allowed: 1, 2, 3, 4"),
        (["object=1"], "allowed: t, triangle, box"),
        (["goal"], "NAME=LEVEL"),
        (["goal=2", "goal=3"], "once"),
    ],
)
def test_wrong_shifts_say_what_is_allowed(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Shifts.parse(words)


def test_no_visual_gap_goes_with_no_shift_of_looks() -> None:
    with pytest.raises(ConfigError, match="leave out the shift of camera"):
        Shifts.parse(["camera=2"], visual_gap=False)
    assert Shifts.parse(["centre-of-mass=2"], visual_gap=False).levels == {"centre_of_mass": "2"}


def test_roll_pitch_yaw_is_the_inverse_of_from_xyz_rpy() -> None:
    rng = np.random.default_rng(0)
    for rpy in rng.uniform(-1.5, 1.5, (50, 3)):
        assert Pose.from_xyz_rpy([0, 0, 0], rpy).rpy == pytest.approx(rpy)
    assert Pose.from_planar(PlanarPose(0, 0, 3.0)).rpy == pytest.approx([0, 0, 3.0])
