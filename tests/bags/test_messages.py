"""Messages as bytes: nothing is lost on the way there and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pushcell.bags.messages import (
    IMAGE,
    POSE,
    capture_stamp_ns,
    from_cdr,
    heading_quaternion,
    image_cdr,
    image_of,
    message_class,
    planar_pose_of,
    to_cdr,
    tool_pose_cdr,
    upright_pose_cdr,
)
from pushcell.geometry import PlanarPose, Pose

headings = st.floats(-2 * math.pi, 2 * math.pi, allow_subnormal=False)
metres = st.floats(-5, 5)


@given(headings)
@example(math.pi)
@example(-math.pi)
def test_a_heading_comes_back_exactly(theta: float) -> None:
    z, w = heading_quaternion(theta)
    assert 2 * math.atan2(z, w) == theta
    assert math.hypot(z, w) == pytest.approx(1, abs=1e-15)


@given(metres, metres, headings)
def test_poses_come_back_exactly_and_mean_what_they_say(x: float, y: float, theta: float) -> None:
    pose = PlanarPose(x, y, theta)
    for cdr in (upright_pose_cdr(7, pose, 0.1), tool_pose_cdr(7, pose, 0.1)):
        assert planar_pose_of(cdr).tolist() == [x, y, theta]
        message = from_cdr(cdr, POSE).pose
        p, q = message.position, message.orientation
        in_space = Pose.from_quaternion([p.x, p.y, p.z], [q.x, q.y, q.z, q.w])
        assert in_space.planar().distance_to(pose) == pytest.approx((0, 0), abs=1e-9)
        assert in_space.translation[2] == 0.1
    assert in_space.rotation[2, 2] == pytest.approx(-1)  # the tool's z axis points down


def test_any_orientation_has_a_heading() -> None:
    tilted = Pose.from_xyz_rpy([1, 2, 3], [0.2, -0.1, 1.0])
    message = from_cdr(upright_pose_cdr(0, PlanarPose(1, 2, 0), 3), POSE)
    q = message.pose.orientation
    q.x, q.y, q.z, q.w = tilted.quaternion_xyzw.tolist()
    assert planar_pose_of(to_cdr(message, POSE)) == pytest.approx(tilted.planar().as_array())


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_the_stamp_is_read_without_the_rest(stamp_ns: int) -> None:
    assert capture_stamp_ns(tool_pose_cdr(stamp_ns, PlanarPose(0, 0, 0), 0)) == stamp_ns


def test_images_come_back_in_rgb() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    cdr = image_cdr(3, "eye", image)
    np.testing.assert_array_equal(image_of(cdr), image)
    message = from_cdr(cdr, IMAGE)
    assert (message.width, message.height, message.step) == (7, 5, 21)
    # A camera that sends blue first, with rows padded to 24 bytes.
    padded = np.zeros((5, 24), np.uint8)
    padded[:, :21] = image[:, :, ::-1].reshape(5, 21)
    other = message_class(IMAGE)(message.header, 5, 7, "bgr8", 0, 24, padded.ravel())
    np.testing.assert_array_equal(image_of(to_cdr(other, IMAGE)), image)
    fields = (message.header, 5, 7, "bayer_rggb16", 0, 24, padded.ravel())
    strange = to_cdr(message_class(IMAGE)(*fields), IMAGE)
    with pytest.raises(ValueError, match="'bayer_rggb16'; those read are rgb8, bgr8"):
        image_of(strange)
