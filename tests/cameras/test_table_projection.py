"""Pixels and the table: each is the other's inverse, through whatever lens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.cameras.camera_model import Lens
from pushcell.cameras.overlay import project
from pushcell.cameras.table_projection import picture_axes, table_point
from pushcell.geometry import Pose

HEIGHTS_M = st.floats(0.0, 0.03)
DISTORTIONS = st.sampled_from([np.zeros(5), np.array([-0.18, 0.03, 0.001, -0.002, 0.0])])


def camera_of(cell, distortion=None):
    """Lens and pose in the base of the camera that drives."""
    name = cell.teleop.camera
    lens = active_lens(cell, name)
    lens = lens if distortion is None else Lens(lens.matrix, distortion, lens.size)
    return lens, Pose.from_matrix(active_pose(cell, name))


@given(
    x=st.floats(0.43, 0.79), y=st.floats(-0.36, 0.36), height_m=HEIGHTS_M, distortion=DISTORTIONS
)
def test_a_point_of_the_table_is_found_again_from_its_pixel(cell, x, y, height_m, distortion):
    camera = camera_of(cell, distortion)
    (pixel,) = project(*camera, [[x, y, height_m]])
    assert table_point(*camera, pixel, height_m) == pytest.approx([x, y], abs=1e-6)


@given(u=st.floats(0, 319), v=st.floats(0, 239), height_m=HEIGHTS_M, distortion=DISTORTIONS)
def test_a_pixel_is_found_again_from_its_point(cell, u, v, height_m, distortion):
    camera = camera_of(cell, distortion)
    place = table_point(*camera, [u, v], height_m)
    (pixel,) = project(*camera, [[*place, height_m]])
    assert pixel == pytest.approx([u, v], abs=1e-3)


@pytest.mark.parametrize("pixel", [(np.nan, 3.0), (3.0, np.inf), (160.0, -1e5)])
def test_what_shows_nothing_of_the_table_is_no_place(cell, pixel):
    assert table_point(*camera_of(cell), pixel, 0.0) is None


def test_right_and_up_are_those_of_the_picture(cell):
    lens, X_BaseCamera = camera_of(cell)
    axes = picture_axes(X_BaseCamera)
    assert axes.T @ axes == pytest.approx(np.eye(2))
    goal = np.array(cell.task.goal[:2])
    ends = [goal, goal + 0.02 * axes[:, 0], goal + 0.02 * axes[:, 1]]
    middle, right, up = project(lens, X_BaseCamera, [[*end, 0.0] for end in ends])
    along_u, along_v = right - middle, middle - up
    assert along_u[0] > 5 * abs(along_u[1])
    assert along_v[1] > 5 * abs(along_v[0])
