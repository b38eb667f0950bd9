import json

import cv2
import numpy as np
import pytest
from scipy.stats import chi2

from calibration.drift import DriftReference, measure_drift
from calibration.slider_pose import Fiducials, SliderEstimate, SliderFilter, SliderFinder
from pushcell import se3
from pushcell.cli.main import main
from pushcell.errors import CalibrationError
from pushcell.geometry import PlanarPose
from tests.calibration import rig
from tests.calibration.conftest import CHARUCO

POSE = se3.from_rvec([0.3, -0.2, 0.1], [-0.1, -0.08, 0.4])


@pytest.fixture(scope="module")
def reference(camera):
    return DriftReference.take(camera.take(POSE), CHARUCO)


def test_a_camera_that_stayed_has_not_drifted(camera, reference):
    assert measure_drift(reference, camera.take(POSE), rig.LENS).moved_px < 0.2


def test_a_camera_that_moved_is_told_by_how_much(camera, reference):
    step = se3.from_rvec([0, 0, np.radians(0.5)], [0.003, 0, 0])
    drift = measure_drift(reference, camera.take(step @ POSE), rig.LENS)
    assert drift.moved_px > 2
    assert drift.moved_m == pytest.approx(0.003, abs=0.0007)
    assert np.degrees(drift.turned_rad) == pytest.approx(0.5, abs=0.15)
    assert "mm" in str(drift)


def test_drift_by_command(camera, tmp_path, capsys):
    for name, step in (("then", [0, 0, 0]), ("again", [0, 0, 0]), ("moved", [0.004, 0, 0])):
        picture = camera.take(se3.from_rvec(np.zeros(3), step) @ POSE)
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    cv2.imwrite(str(tmp_path / "empty.png"), np.full((480, 640), 90, np.uint8))
    words = ["--reference", str(tmp_path / "reference.json")]

    def drift(name, *more):
        return main(["calibrate", "drift", str(tmp_path / f"{name}.png"), *words, *more])

    assert drift("then", "--take", CHARUCO) == 0
    assert drift("again") == 0
    capsys.readouterr()
    assert drift("moved", "--json", "-") == 1
    assert json.loads(capsys.readouterr().out)["moved_px"] > 3
    assert drift("empty") == 2
    assert "is not seen" in capsys.readouterr().err
    (tmp_path / "reference.json").write_text("{}")
    assert drift("again") == 2
    assert "is no reference" in capsys.readouterr().err


def test_another_image_size_is_told(reference, camera):
    small = cv2.resize(camera.take(POSE), (320, 240))
    with pytest.raises(CalibrationError, match="640x480, the image is 320x240"):
        measure_drift(reference, small, rig.LENS)


FIDUCIALS = Fiducials(
    "DICT_APRILTAG_36h11",
    0.035,
    0.032,
    {3: PlanarPose(0.0, 0.03, 0.0), 8: PlanarPose(0.0, -0.06, np.pi / 2)},
)
# Above the table, looking down a little askew.
CAMERA = se3.from_rvec([2.9, 0.1, 0.1], [0.55, 0.05, 0.6])


def picture(slider):
    """What the camera sees of the markers, at four rays a pixel."""
    words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    large = np.full((1920, 2560), 170, np.uint8)
    inside = se3.inverse(CAMERA)
    for marker in FIDUCIALS.markers:
        quiet = cv2.copyMakeBorder(
            words.generateImageMarker(marker, 400), 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=255
        )
        corners = FIDUCIALS.corners_m(marker)
        placed = np.column_stack([slider.transform(corners[:, :2]), corners[:, 2]])
        seen = rig.LENS.project(placed @ inside[:3, :3].T + inside[:3, 3])
        to = (4 * seen + 1.5).astype(np.float32)
        of = np.array([[60, 60], [460, 60], [460, 460], [60, 460]], np.float32) - 0.5
        H = cv2.getPerspectiveTransform(of, to)
        mask = cv2.warpPerspective(np.full_like(quiet, 255), H, (2560, 1920))
        large = np.where(mask > 127, cv2.warpPerspective(quiet, H, (2560, 1920)), large)
    small = cv2.resize(large, (640, 480), interpolation=cv2.INTER_AREA).astype(float)
    noise = np.random.default_rng(0).normal(0, 2, small.shape)
    return np.clip(small + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("theta", [-3.0, 0.0, 1.2])
def test_the_slider_is_found_by_its_markers(theta):
    slider = PlanarPose(0.57, 0.03, theta)
    found = SliderFinder(FIDUCIALS, rig.LENS).find(picture(slider), 12.0, CAMERA)
    distance, angle = found.pose.distance_to(slider)
    assert distance < 0.0015
    assert angle < np.radians(1.0)
    assert 1e-5 < np.sqrt(found.covariance[0, 0]) < 0.002
    assert found.age_s(12.5) == 0.5


def test_an_empty_table_has_no_slider():
    empty = np.full((480, 640, 3), 128, np.uint8)
    assert SliderFinder(FIDUCIALS, rig.LENS).find(empty, 0.0, CAMERA) is None


def seen(stamp_s, pose, rng, sigma=0.002):
    off = rng.normal(0, sigma, 3)
    with_noise = PlanarPose.from_array(pose.as_array() + off)
    return SliderEstimate(stamp_s, with_noise, sigma**2 * np.eye(3))


def test_the_filter_tells_its_own_error():
    rng, squares = np.random.default_rng(0), []
    for _ in range(60):
        true, filtered = PlanarPose(0.5, 0.1, 3.1), SliderFilter()
        for step in range(10):
            estimate = filtered.add(seen(0.1 * step, true, rng))
        off = estimate.pose.as_array() - true.as_array()
        off[2] = (off[2] + np.pi) % (2 * np.pi) - np.pi
        squares.append(off @ np.linalg.solve(estimate.covariance, off))
    # It allows for motion, so that it claims too little of a slider that stands, never too much.
    assert np.mean(np.array(squares) < chi2.ppf(0.9, 3)) > 0.8
    assert np.array_equal(estimate.covariance, estimate.covariance.T)


def test_a_wrong_sighting_is_refused_and_a_slider_put_elsewhere_is_believed():
    rng, filtered = np.random.default_rng(0), SliderFilter()
    here, there = PlanarPose(0.5, 0.1, 0.0), PlanarPose(0.7, -0.1, 2.0)
    for step in range(5):
        filtered.add(seen(0.1 * step, here, rng))
    kept = filtered.add(seen(0.5, there, rng))
    assert filtered.refused == 1
    assert kept.pose.distance_to(here)[0] < 0.01
    assert kept.stamp_s == 0.4, "its age tells that it was not seen"
    assert filtered.add(seen(0.6, there, rng)).pose.distance_to(there)[0] < 0.01
    assert filtered.add(seen(0.2, here, rng)).stamp_s == 0.6, "older ones change nothing"
