"""Numbers that cannot be of the unit they are taken for are asked about."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calibration import hand_eye_command
from calibration.files import read_fiducials, read_hand_poses, read_pairs, read_signal, read_touched
from pushcell.cameras.calibration_files import read_hand_eye, read_latency
from pushcell.cameras.camera_info import camera_info_text, read_camera_info
from pushcell.errors import CalibrationError
from tests.calibration import rig


@pytest.mark.parametrize(
    ("parts", "unit"), [(1, ""), (1e3, "milliseconds by 1000"), (1e9, "nanoseconds by 1e9")]
)
def test_times_of_signals_are_in_seconds(tmp_path, parts, unit):
    path = tmp_path / "signal.csv"
    times = np.arange(50) * 0.01 * parts
    rows = "\n".join(
        f"{time:.0f},{k % 7}" if unit else f"{time},{k}" for k, time in enumerate(times)
    )
    path.write_text(f"time_s,value\n{rows}\n")
    if not unit:
        assert read_signal(path).times_s[-1] == pytest.approx(0.49)
        return
    with pytest.raises(CalibrationError, match=f"times are in seconds; divide {unit}"):
        read_signal(path)


def test_touched_points_are_in_metres(tmp_path):
    path = tmp_path / "touched.json"
    path.write_text(json.dumps([{"xyz_m": [550.0, 20.0, 1.0]}] * 4))
    with pytest.raises(CalibrationError, match="a point is at 550 m: lengths are in metres"):
        read_touched(path)


def poses_as_quaternions(poses, order):
    """(N, 7) x, y, z and a quaternion in that order."""
    quaternions = Rotation.from_matrix(poses[..., :3, :3]).as_quat()
    return np.concatenate([poses[..., :3, 3], quaternions[..., order]], axis=-1)


X_Y_Z_W, W_X_Y_Z = [0, 1, 2, 3], [3, 0, 1, 2]


@pytest.fixture
def pairs(charuco):
    """(N, 2, 4, 4): hand in base, target in camera."""
    data = rig.pose_data("eye-in-hand", charuco, np.random.default_rng(1), 20, 1e-3, 3e-4)
    return np.stack([data.hand_in_base, data.target_in_camera], axis=1)


def calibrate(tmp_path, values):
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(np.asarray(values).tolist()))
    return hand_eye_command.main(
        ["--setup", "eye-in-hand", "--pairs", str(path), "--out", str(tmp_path / "out")]
    )


def test_poses_may_be_given_as_quaternions(tmp_path, pairs):
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(poses_as_quaternions(pairs, X_Y_Z_W).tolist()))
    np.testing.assert_allclose(read_pairs(path), pairs, atol=1e-12)
    path.write_text(json.dumps(poses_as_quaternions(pairs[:, 0], X_Y_Z_W).tolist()))
    names = tuple(map(str, range(len(pairs))))
    np.testing.assert_allclose(read_hand_poses(path, names), pairs[:, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("orders", "whose"),
    [
        ((W_X_Y_Z, X_Y_Z_W), "the hands"),
        ((X_Y_Z_W, W_X_Y_Z), "the targets"),
        ((W_X_Y_Z, W_X_Y_Z), "hands and targets"),
    ],
)
def test_quaternions_with_w_first_are_told(tmp_path, pairs, orders, whose):
    values = [poses_as_quaternions(pairs[:, k], order) for k, order in enumerate(orders)]
    with pytest.raises(CalibrationError, match=f"quaternions of {whose} are read with w first"):
        calibrate(tmp_path, np.stack(values, axis=1))


def test_poses_that_no_mistake_explains_are_called_so(tmp_path, pairs):
    rng = np.random.default_rng(0)
    pairs[:, 0, :3, :3] = Rotation.random(len(pairs), random_state=rng).as_matrix()
    with pytest.raises(CalibrationError, match="agree"):
        calibrate(tmp_path, pairs)


def test_a_quaternion_that_is_no_rotation_is_told(tmp_path, pairs):
    values = poses_as_quaternions(pairs, X_Y_Z_W)
    values[3, 1, 3:] *= 2
    with pytest.raises(CalibrationError, match="quaternion of pose 3 is 2 long"):
        calibrate(tmp_path, values)


def test_millimetres_are_told(tmp_path, pairs):
    pairs[..., :3, 3] *= 1000
    with pytest.raises(CalibrationError, match="lengths are in metres; divide millimetres"):
        calibrate(tmp_path, pairs)


def written(tmp_path, values):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(values))
    return path


def test_a_saved_hand_eye_in_millimetres_is_told(tmp_path):
    transform = np.eye(4)
    transform[:3, 3] = [600.0, 20.0, 400.0]
    values = {"setup": "eye-to-hand", "transform": transform.tolist()}
    with pytest.raises(CalibrationError, match=r"file\.json are as far away as .* metres"):
        read_hand_eye(written(tmp_path, values))
    transform[:3, 3] /= 1000
    values["transform"] = transform.tolist()
    assert read_hand_eye(written(tmp_path, values))[1] == pytest.approx(transform)
    transform[:3, :3] *= 1000
    with pytest.raises(CalibrationError, match=r"is not a rigid transform"):
        read_hand_eye(written(tmp_path, {**values, "transform": transform.tolist()}))


@pytest.mark.parametrize(("latency", "unit"), [(62.0, "milliseconds"), (6.2e7, "nanoseconds")])
def test_a_saved_latency_of_another_unit_is_told(tmp_path, latency, unit):
    values = {"camera": "overhead", "latency_s": latency}
    with pytest.raises(CalibrationError, match=f"times are in seconds; divide {unit}"):
        read_latency(written(tmp_path, values), "overhead")
    values["latency_s"] = 0.062
    assert read_latency(written(tmp_path, values), "overhead") == 0.062


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"side_m": 30.0}, "no length of 30 m: lengths are in metres"),
        ({"markers": {"0": [35.0, 0.0, 0.0]}}, "no length of 35 m: lengths are in metres"),
        ({"markers": {"0": [0.0, 0.0, 90.0]}}, "angles are in radians"),
    ],
)
def test_markers_on_the_slider_are_in_metres_and_radians(tmp_path, change, problem):
    values = {
        "dictionary": "DICT_APRILTAG_36h11",
        "side_m": 0.03,
        "height_m": 0.03175,
        "markers": {"0": [0.01, 0.0, 1.5]},
        **change,
    }
    if problem is None:
        assert read_fiducials(written(tmp_path, values)).side_m == 0.03
        return
    with pytest.raises(CalibrationError, match=problem):
        read_fiducials(written(tmp_path, values))


@pytest.mark.parametrize("focal", [4.0, 0.6, 1e6])
def test_a_focal_length_in_millimetres_is_told(tmp_path, focal):
    path = tmp_path / "camera.yaml"
    path.write_text(camera_info_text(rig.LENS, "a"))
    assert read_camera_info(path).matrix == pytest.approx(rig.LENS.matrix)
    matrix = rig.LENS.matrix.copy()
    matrix[0, 0] = matrix[1, 1] = focal
    path.write_text(camera_info_text(replace(rig.LENS, matrix=matrix), "a"))
    with pytest.raises(CalibrationError, match="camera_matrix is in pixels"):
        read_camera_info(path)
