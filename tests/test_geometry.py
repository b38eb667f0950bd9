import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pushcell.geometry import (
    ConvexPolygon,
    PlanarPose,
    Pose,
    outline_crosses_itself,
    polygon_area_and_centroid,
    signed_distance_to_outline,
    wrap_angle,
)

LENGTH = st.floats(-2, 2)
ANGLE = st.floats(-math.pi, math.pi)
planar = st.builds(PlanarPose, LENGTH, LENGTH, ANGLE)
spatial = st.builds(
    lambda x, y, z, a, b, c: Pose.from_xyz_rpy([x, y, z], [a, b, c]),
    *[LENGTH] * 3,
    *[ANGLE] * 3,
)


def close(a: PlanarPose, b: PlanarPose) -> bool:
    position, angle = a.distance_to(b)
    return position < 1e-9 and angle < 1e-9


@given(planar, planar, planar)
def test_planar_poses_are_a_group(a, b, c):
    assert close((a @ b) @ c, a @ (b @ c))
    assert close(a @ a.inverse(), PlanarPose(0, 0, 0))


@given(planar)
def test_exp_inverts_log(pose):
    assume(abs(pose.theta) < math.pi - 1e-6)
    assert close(PlanarPose.exp(pose.log()), pose)


@given(planar, st.integers(1, 50))
def test_exp_composes_from_small_steps(pose, steps):
    twist = np.array([pose.x, pose.y, pose.theta])
    whole = PlanarPose(0, 0, 0)
    for _ in range(steps):
        whole = whole @ PlanarPose.exp(twist / steps)
    assert close(whole, PlanarPose.exp(twist))


@given(spatial, spatial)
def test_poses_compose_like_their_matrices(a, b):
    assert np.allclose((a @ b).matrix(), a.matrix() @ b.matrix())
    assert np.allclose((a @ a.inverse()).matrix(), np.eye(4), atol=1e-9)


@given(spatial)
def test_quaternion_round_trip(pose):
    again = Pose.from_quaternion(pose.translation, pose.quaternion_xyzw)
    assert np.allclose(again.rotation, pose.rotation, atol=1e-7)
    assert np.linalg.norm(pose.quaternion_xyzw) == pytest.approx(1)


def test_yaw_turns_x_towards_y():
    pose = Pose.from_xyz_rpy([0, 0, 0], [0, 0, math.pi / 2])
    assert np.allclose(pose.transform([1, 0, 0]), [0, 1, 0])
    assert pose.planar().theta == pytest.approx(math.pi / 2)


@given(planar, st.lists(st.tuples(LENGTH, LENGTH), min_size=1, max_size=5))
def test_planar_and_spatial_poses_agree(pose, points):
    flat = np.array(points)
    raised = np.column_stack([flat, np.zeros(len(flat))])
    assert np.allclose(Pose.from_planar(pose).transform(raised)[:, :2], pose.transform(flat))


@given(st.floats(-50, 50))
def test_wrap_angle_keeps_direction(angle):
    wrapped = wrap_angle(angle)
    assert -math.pi <= wrapped < math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-9)
    assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-9)


SQUARE = ConvexPolygon.from_vertices([[0, 0], [1, 0], [1, 1], [0, 1]])


@given(LENGTH, LENGTH)
def test_nearest_is_inside_and_no_other_corner_is_nearer(x, y):
    point = np.array([x, y])
    nearest = SQUARE.nearest(point)
    assert SQUARE.contains(nearest, -1e-9)
    candidates = np.clip(point, 0, 1)  # the answer for this square
    assert np.allclose(nearest, candidates)


@given(LENGTH, LENGTH, st.floats(0, 0.4))
def test_inset_is_the_margin(x, y, margin):
    assume(abs(SQUARE.excess([x, y]) + margin) > 1e-9)
    assert SQUARE.inset(margin).contains([x, y]) == SQUARE.contains([x, y], margin)


def test_inset_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="leaves nothing"):
        SQUARE.inset(0.6)


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [1, 0]],
        [[0, 0], [1, 0], [0.5, 0.1], [0.5, 1]],
        [[0, 0], [1, 0], [1, 0], [0, 1]],
        [[math.cos(4 * math.pi * i / 5), math.sin(4 * math.pi * i / 5)] for i in range(5)],
    ],
    ids=["two corners", "dent", "repeated corner", "star"],
)
def test_only_convex_polygons(corners):
    with pytest.raises(ValueError, match="polygon"):
        ConvexPolygon.from_vertices(corners)


def test_direction_of_corners_does_not_matter():
    clockwise = ConvexPolygon.from_vertices([[0, 0], [0, 1], [1, 1], [1, 0]])
    assert clockwise.contains([0.5, 0.5])
    assert not clockwise.contains([1.5, 0.5])


@given(LENGTH, LENGTH)
def test_signed_distance_of_a_square(x, y):
    outline = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1]])
    outside = np.linalg.norm(np.maximum(np.maximum(-np.array([x, y]), np.array([x, y]) - 1), 0))
    inside = min(x, 1 - x, y, 1 - y)
    expected = outside if outside > 0 else -inside
    assert signed_distance_to_outline([x, y], outline) == pytest.approx(expected, abs=1e-9)


def test_crossing_outlines_are_seen():
    assert outline_crosses_itself(np.array([[0.0, 0], [1, 1], [1, 0], [0, 1]]))
    assert not outline_crosses_itself(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]))


def test_area_and_centroid():
    area, centroid = polygon_area_and_centroid(np.array([[0.0, 0], [2, 0], [2, 1], [0, 1]]))
    assert area == pytest.approx(2)
    assert np.allclose(centroid, [1, 0.5])


def test_a_pose_must_be_finite():
    with pytest.raises(ValueError, match="finite"):
        PlanarPose(0, float("nan"), 0)
