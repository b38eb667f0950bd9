"""Files of camera_info as other programs write them."""

import numpy as np
import pytest
import yaml

from pushcell.cameras.camera_info import read_camera_info
from pushcell.errors import CalibrationError

FISHEYE = {
    "image_width": 800,
    "image_height": 600,
    "camera_matrix": {"rows": 3, "cols": 3, "data": [300.0, 0, 400, 0, 301, 300, 0, 0, 1]},
    "distortion_coefficients": {"rows": 1, "cols": 4, "data": [0.1, -0.03, 0.004, -0.001]},
}


def read(tmp_path, **changes):
    path = tmp_path / "ost.yaml"
    path.write_text(yaml.safe_dump({**FISHEYE, **changes}))
    return read_camera_info(path)


def coefficients(*values):
    return {"rows": 1, "cols": 5, "data": list(values)}


def test_a_fisheye_may_be_named_as_the_cameras_model(tmp_path):
    lens = read(tmp_path, camera_model="fisheye")
    assert lens.model == "equidistant"
    np.testing.assert_array_equal(lens.distortion, [0.1, -0.03, 0.004, -0.001])
    with pytest.raises(CalibrationError, match="is not ROS's camera_info"):
        read(tmp_path)


def test_a_fisheyes_fifth_coefficient_is_left_out_where_it_is_zero(tmp_path):
    given = {"distortion_model": "equidistant"}
    lens = read(tmp_path, **given, distortion_coefficients=coefficients(0.1, -0.03, 0.004, 0, 0))
    np.testing.assert_array_equal(lens.distortion, [0.1, -0.03, 0.004, 0])
    with pytest.raises(CalibrationError, match="with 5 coefficients is not read"):
        read(tmp_path, **given, distortion_coefficients=coefficients(0.1, 0, 0, 0, 0.2))


def test_a_count_of_columns_that_is_wrong_does_not_matter(tmp_path):
    eight = coefficients(0.1, 0.01, 0.0001, 0.0002, 0.01, 0.2, 0.1, 0.01)
    lens = read(tmp_path, distortion_model="rational_polynomial", distortion_coefficients=eight)
    assert lens.distortion.size == 8


def test_a_skew_does_not_pass_silently(tmp_path):
    matrix = {"rows": 3, "cols": 3, "data": [300.0, -0.97, 400, 0, 301, 300, 0, 0, 1]}
    with pytest.raises(CalibrationError, match=r"a skew of -0\.97 px"):
        read(tmp_path, camera_model="fisheye", camera_matrix=matrix)


def matrix_of(*values):
    return {"rows": 3, "cols": 3, "data": list(values)}


@pytest.mark.parametrize(
    ("matrix", "problem"),
    [
        ([300.0, 0, 400, 0, 1, 300, 0, 0, 1], "focal length of 1 px is not that of .* 600 px high"),
        ([300.0, 0, 0, 0, 301, 0, 0, 0, 1], "with cx and cy inside the image of 800x600 px, not"),
        ([300.0, 0, 400, 0, 301, 300, 0, 7e-310, 2e-323], "camera_matrix must be fx 0 cx"),
    ],
)
def test_a_matrix_that_was_never_filled_in_is_told(tmp_path, matrix, problem):
    with pytest.raises(CalibrationError, match=problem):
        read(tmp_path, camera_model="fisheye", camera_matrix=matrix_of(*matrix))


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial"])
def test_coefficients_of_no_lens_are_told(tmp_path, model):
    rest = [0.0] * 3 if model == "rational_polynomial" else []
    given = {"distortion_model": model}
    wild = coefficients(14.2, -1523.0, 0.1, 0.1, 1250.0, *rest)
    with pytest.raises(
        CalibrationError, match="points near the image's middle would be seen twice"
    ):
        read(tmp_path, **given, distortion_coefficients=wild)
    wide = coefficients(-0.31, 0.09, 0.0002, -0.0001, -0.011, *rest)
    assert read(tmp_path, **given, distortion_coefficients=wide).model == model
