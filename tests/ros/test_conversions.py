import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from builtin_interfaces.msg import Time  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402

from pushcell.action_chunk import ActionChunk  # noqa: E402
from pushcell.cameras.calibrated import active_lens  # noqa: E402
from pushcell.geometry import PlanarPose, Pose  # noqa: E402
from pushcell_ros import conversions as c  # noqa: E402


def over_the_link(message):
    return deserialize_message(serialize_message(message), type(message))


@given(st.floats(0, 4e9))
def test_stamps_round_trip_to_the_nanosecond(seconds):
    assert c.to_seconds(c.to_stamp(seconds)) == pytest.approx(seconds, abs=1e-6, rel=1e-15)


@given(st.floats(-100, 100))
def test_durations_may_be_negative(seconds):
    message = c.to_duration(seconds)
    assert 0 <= message.nanosec < 10**9
    assert c.to_seconds(message) == pytest.approx(seconds, abs=1e-9)


def test_poses_round_trip():
    pose = Pose.from_xyz_rpy([0.1, -0.2, 0.3], [0.4, -0.5, 2.6])
    again = c.to_pose(over_the_link(c.pose_message(pose, Time(sec=3))))
    assert np.allclose(again.matrix(), pose.matrix())


def test_chunks_round_trip_on_the_receivers_clock():
    chunk = ActionChunk.at_rate(1000.0, 999.95, 10.0, np.random.default_rng(0).random((16, 2)))
    message = over_the_link(c.chunk_message(chunk, c.to_stamp(1.7e9)))
    received = c.to_chunk(message, capture_s=50.0)
    assert np.array_equal(received.positions, chunk.positions)
    assert np.allclose(received.times_s - 50.0, chunk.times_s - 1000.0, atol=1e-9)


def test_a_chunk_with_nan_is_refused():
    chunk = ActionChunk.at_rate(0.0, 0.1, 10.0, np.zeros((2, 2)))
    message = c.chunk_message(chunk, Time())
    message.points[1].transforms[0].translation.x = float("nan")
    with pytest.raises(ValueError, match="finite"):
        c.to_chunk(message, 0.0)
    message.points[0].transforms = []
    with pytest.raises(ValueError, match="exactly one transform"):
        c.to_chunk(message, 0.0)


def test_an_empty_chunk_is_refused():
    message = c.chunk_message(ActionChunk.at_rate(0.0, 0.1, 10.0, np.zeros((2, 2))), Time())
    message.points = []
    with pytest.raises(ValueError, match="at least one"):
        c.to_chunk(message, 0.0)


def test_images_round_trip():
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    assert np.array_equal(c.to_image(over_the_link(c.image_message(image, "eye", Time()))), image)


def test_both_orders_of_colours_are_read_and_other_encodings_refused():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    message = c.image_message(image, "eye", Time())
    message.encoding = "bgr8"
    np.testing.assert_array_equal(c.to_image(message), image[:, :, ::-1])
    message.encoding = "bayer_rggb16"
    with pytest.raises(ValueError, match="rgb8"):
        c.to_image(message)


@pytest.mark.parametrize("count", [6, 7])
def test_scenes_round_trip(count):
    joints, slider = np.arange(count) / 10, Pose.from_planar(PlanarPose(0.5, -0.1, 2.0), 0.02)
    message = c.scene_message(Time(), [f"axis_{i}" for i in range(count)], joints, slider)
    again_joints, again_slider = c.to_scene(over_the_link(message))
    assert np.allclose(again_joints, joints)
    assert np.allclose(again_slider.matrix(), slider.matrix())


def test_camera_info_holds_the_pinhole(cell):
    camera = cell.camera("overhead")
    info = over_the_link(c.lens_message(active_lens(cell, "overhead"), "overhead"))
    assert np.allclose(np.reshape(info.k, (3, 3)), camera.matrix)
    assert (info.width, info.height) == (camera.width_px, camera.height_px)
    assert info.header.frame_id == "overhead_color_optical_frame"
