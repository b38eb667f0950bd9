import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from scipy.stats import chi2

from calibration.boards import Corners
from calibration.coverage import coverage_of
from calibration.intrinsics import calibrate_intrinsics
from calibration.views import Views, read_views
from pushcell.cameras.camera_info import camera_info_text, read_camera_info
from pushcell.errors import CalibrationError
from tests.calibration import rig

TRUE = np.array([616.7, 616.8, 318.1, 244.1, 0.08, -0.2, 0.001, -0.0005, 0.05])


def parameters(result):
    K = result.lens.matrix
    return np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2], *result.lens.distortion])


def made(charuco, rng, count=15, **options):
    """Views with noisy corners of the truth."""
    poses = rig.looks(charuco, rng, count, **options)
    return Views(charuco, rig.LENS.size, rig.seen(charuco, poses, rng), ())


def test_rendered_boards_give_the_true_camera(views):
    result = calibrate_intrinsics(views)
    assert result.lens.matrix[0, 0] == pytest.approx(616.7, rel=0.003)
    assert result.lens.matrix[1, 1] == pytest.approx(616.8, rel=0.003)
    assert np.abs(parameters(result)[2:4] - TRUE[2:4]).max() < 0.003 * 640
    assert result.held_out_px < 0.15
    assert result.rms_px <= np.sqrt(np.mean(result.before_px**2)) + 1e-9
    assert result.shape_m is None, "a flat board is not bent"


def test_the_covariance_covers_the_truth_as_often_as_it_claims(charuco):
    inside = []
    for seed in range(12):
        result = calibrate_intrinsics(made(charuco, np.random.default_rng(seed), 8))
        off = parameters(result) - TRUE
        inside.append(off @ np.linalg.solve(result.covariance, off) < chi2.ppf(0.9, 9))
    # 90 % of 12: as few as 8 come by chance in 1 of 230.
    assert sum(inside) >= 8


def test_a_bent_board_is_found_out(charuco):
    rng = np.random.default_rng(2)
    corners = charuco.corners_m.copy()
    x, y = (corners[:, :2] - corners[:, :2].mean(axis=0)).T
    bend = 0.002 * (x / 0.08) ** 2
    corners[:, 2] = bend
    views = Views(
        charuco,
        rig.LENS.size,
        rig.seen(_Bent(corners, charuco.size_m), rig.looks(charuco, rng, 20), rng),
        (),
    )
    result = calibrate_intrinsics(views)
    assert result.held_out_px < 0.2
    assert result.lens.matrix[0, 0] == pytest.approx(616.7, rel=0.003)
    # Up to the plane that one lays through it.
    plane = np.column_stack([x, y, np.ones(len(x))])
    flat = bend - plane @ np.linalg.lstsq(plane, bend, rcond=None)[0]
    assert np.corrcoef(result.shape_m[:, 2], flat)[0, 1] > 0.95


class _Bent:
    def __init__(self, corners_m, size_m):
        self.corners_m, self.size_m = corners_m, size_m


def test_an_outlier_view_is_named_and_left_out(charuco):
    views = made(charuco, np.random.default_rng(5))
    bad = views.found[7]
    shifted = bad.corners.pixels.copy()
    shifted[:6] += 4.0
    found = [
        replace(bad, corners=Corners(bad.corners.ids, shifted)) if v is bad else v
        for v in views.found
    ]
    result = calibrate_intrinsics(replace(views, found=tuple(found)))
    assert list(result.rejected) == [bad.name]
    assert "px" in result.rejected[bad.name]


def test_too_few_views_are_told(charuco):
    with pytest.raises(CalibrationError, match="only 5 views can be used, 6 are needed"):
        calibrate_intrinsics(made(charuco, np.random.default_rng(1), 5))


def test_views_of_one_tilt_are_told(charuco):
    with pytest.raises(CalibrationError, match="same tilt"):
        calibrate_intrinsics(made(charuco, np.random.default_rng(1), 10, tilt_rad=0.01))


def test_coverage_says_what_is_missing(charuco):
    rng = np.random.default_rng(0)
    assert coverage_of(made(charuco, rng, 40)).missing == ()
    poses = rig.looks(charuco, rng, 30, tilt_rad=0.05)
    poses[:, 0, 3] -= 0.1
    views = Views(charuco, rig.LENS.size, rig.seen(charuco, poses, rng), ())
    kept = tuple(v for v in views.found if v.corners.pixels[:, 0].max() < 450)
    missing = " ".join(coverage_of(replace(views, found=kept)).missing)
    assert "far right of the image" in missing
    assert "top far left" not in missing
    for side in ("right side nearer", "left side nearer", "top nearer", "bottom nearer"):
        assert side in missing


@pytest.mark.parametrize(
    ("axis", "sign", "side"),
    [(1, 1, "right side"), (1, -1, "left side"), (0, 1, "top"), (0, -1, "bottom")],
)
def test_tilts_are_named_as_they_are(charuco, axis, sign, side):
    """The side that the advice calls nearer is the one that looks larger."""
    turn = np.zeros(3)
    turn[axis] = 0.5 * sign
    R = cv2.Rodrigues(turn)[0]
    middle = np.array([*charuco.size_m, 0]) / 2
    corners = charuco.corners_m - middle
    depth = (R @ corners.T)[2] + 0.4
    ends = {
        "left side": corners[:, 0] < 0,
        "right side": corners[:, 0] > 0,
        "top": corners[:, 1] < 0,
        "bottom": corners[:, 1] > 0,
    }
    nearer = depth[ends[side]].mean() < 0.4
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = R, np.array([0, 0, 0.4]) - R @ middle
    views = Views(charuco, rig.LENS.size, rig.seen(charuco, [pose], np.random.default_rng(0)), ())
    told = not any(
        f"its {side}" in advice and "nearer" in advice for advice in coverage_of(views).missing
    )
    assert nearer
    assert told


def test_camera_info_goes_round(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(camera_info_text(rig.LENS, "overhead"))
    lens = read_camera_info(path)
    np.testing.assert_array_equal(lens.matrix, rig.LENS.matrix)
    np.testing.assert_array_equal(lens.distortion, rig.LENS.distortion)
    assert lens.size == rig.LENS.size
    values = yaml.safe_load(path.read_text())
    assert values["camera_name"] == "overhead"
    assert values["projection_matrix"]["cols"] == 4


@pytest.mark.parametrize("text", ["{}", "a: [", json.dumps({"camera_matrix": 3})])
def test_a_file_that_is_no_camera_info_is_told(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(CalibrationError, match=r"bad\.yaml"):
        read_camera_info(tmp_path / "bad.yaml")


def test_real_images(real_data, charuco):
    folder = real_data / "charuco_realsense"
    result = calibrate_intrinsics(read_views([folder / "intrinsics_images"], charuco))
    published = np.load(folder / "camera_intrinsics.npz")["cameraMatrix"]
    assert result.held_out_px <= 0.65
    assert result.lens.matrix[0, 0] == pytest.approx(published[0, 0], rel=0.005)
