"""Lenses wider than plumb_bob: told by the pattern they leave, and fitted by their model."""

import numpy as np
import pytest

from calibration.boards import Corners
from calibration.hand_eye import calibrate_hand_eye
from calibration.hand_eye_data import CornerSighting, HandEyeData
from calibration.intrinsics import calibrate_intrinsics
from calibration.views import View, Views
from pushcell import se3
from pushcell.cameras.camera_info import camera_info_text, read_camera_info
from pushcell.cameras.camera_model import Lens
from pushcell.errors import CalibrationError
from tests.calibration import rig

SIZE = (640, 480)
MATRIX = np.array([[300.0, 0, 322.0], [0, 301.0, 238.0], [0, 0, 1]])
FISHEYE = Lens(MATRIX, np.array([0.02, -0.01, 0.004, -0.001]), SIZE, "equidistant")
WIDE = Lens(
    np.array([[350.0, 0, 322.0], [0, 351.0, 238.0], [0, 0, 1]]),
    np.array([1.2, 0.3, 0.0005, -0.0003, 0.01, 1.5, 0.6, 0.05]),
    SIZE,
    "rational_polynomial",
)
LENSES = {"rational_polynomial": WIDE, "equidistant": FISHEYE}


def views_of(lens, board, rng, count=25):
    """Noisy corners of boards all over the image, and where the boards were."""
    middle = np.array([*board.size_m, 0]) / 2
    views, poses = [], []
    while len(views) < count:
        R = se3.from_rvec(rng.uniform(-0.5, 0.5, 3), np.zeros(3))[:3, :3]
        pixel = rng.uniform([40, 40], np.array(SIZE) - 40)
        ray = lens.rays(pixel[None])[0]
        at = ray / np.linalg.norm(ray) * rng.uniform(0.25, 0.4)
        pose = se3.transform(R, at - R @ middle)
        points = board.corners_m @ R.T + pose[:3, 3]
        pixels = lens.project(points) + 0.1 * rng.normal(size=(len(points), 2))
        inside = ((pixels > 2) & (pixels < np.array(SIZE) - 2)).all(axis=1) & (points[:, 2] > 0.05)
        if inside.sum() >= 12:
            ids = np.flatnonzero(inside)
            views.append(View(f"view {len(views)}", Corners(ids, pixels[ids])))
            poses.append(pose)
    return Views(board, SIZE, tuple(views), ()), np.array(poses)


@pytest.mark.parametrize("asked", [None, "equidistant", "rational_polynomial"])
@pytest.mark.parametrize("model", LENSES)
def test_a_wider_model_is_taken_where_unseen_views_say_so(model, asked, charuco):
    if (model, asked) == ("rational_polynomial", "equidistant"):
        return
    views, _ = views_of(LENSES[model], charuco, np.random.default_rng(1))
    result = calibrate_intrinsics(views, asked)
    assert result.lens.model == asked or (asked is None and result.lens.model != "plumb_bob")
    assert not result.misfit.certain
    assert result.held_out_px < 0.2
    # Where the truth puts points all over the image, this lens does too.
    y, x = np.mgrid[40:440:40, 40:600:40]
    seen = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    off = result.lens.project(LENSES[model].rays(seen)) - seen
    assert np.linalg.norm(off, axis=1).max() < 3.0


@pytest.mark.parametrize("model", LENSES)
def test_a_model_that_is_too_narrow_leaves_a_pattern(model, charuco):
    views, _ = views_of(LENSES[model], charuco, np.random.default_rng(2))
    try:
        narrow = calibrate_intrinsics(views, "plumb_bob")
    except CalibrationError:
        return  # it does not even fit
    assert narrow.misfit.certain
    assert narrow.misfit.systematic_px > 0.1
    assert 0.08 < narrow.misfit.noise_px < 0.25


def test_a_usual_lens_keeps_its_model(charuco):
    rng = np.random.default_rng(3)
    poses = rig.looks(charuco, rng, 15)
    views = Views(charuco, SIZE, rig.seen(charuco, poses, rng), ())
    result = calibrate_intrinsics(views)
    assert result.lens.model == "plumb_bob"
    assert not result.misfit.certain


@pytest.mark.parametrize("lens", [FISHEYE, WIDE, rig.LENS], ids=lambda lens: lens.model)
def test_derivatives_poses_and_rays_are_those_of_the_projection(lens, charuco):
    rng = np.random.default_rng(4)
    points = rng.uniform([-0.3, -0.2, 0.4], [0.3, 0.2, 0.8], (12, 3))
    step = 1e-6
    for column, axis in enumerate(np.eye(len(lens.names))):
        moved = [lens.changed(s * step * axis).project(points) for s in (1, -1)]
        by = lens.by_parameters(points)[:, :, column]
        np.testing.assert_allclose((moved[0] - moved[1]) / (2 * step), by, atol=1e-4, rtol=1e-4)
    for column, axis in enumerate(np.eye(6)):
        moved = [lens.project(points @ T[:3, :3].T + T[:3, 3])
                 for T in (se3.change(s * step * axis) for s in (1, -1))]  # fmt: skip
        by = lens.project_with_jacobian(points)[1][:, :, column]
        np.testing.assert_allclose((moved[0] - moved[1]) / (2 * step), by, atol=1e-3, rtol=1e-4)
    rays = lens.rays(lens.project(points))
    np.testing.assert_allclose(rays, points / points[:, 2:], atol=1e-5)
    pose = rig.looks(charuco, rng, 1)[0]
    seen = lens.project(charuco.corners_m @ pose[:3, :3].T + pose[:3, 3])
    np.testing.assert_allclose(lens.locate(charuco.corners_m, seen), pose, atol=1e-5)


@pytest.mark.parametrize("lens", [FISHEYE, WIDE], ids=lambda lens: lens.model)
def test_hand_eye_sees_through_it(lens, charuco):
    rng = np.random.default_rng(5)
    views, poses = views_of(lens, charuco, rng, 15)
    sightings = tuple(CornerSighting.of(view, charuco.corners_m, lens) for view in views.found)
    hands = rig.shaken(rig.hands("eye-in-hand", poses), rng)
    data = HandEyeData("eye-in-hand", rig.names(15), hands, sightings)
    distance, _ = se3.errors(calibrate_hand_eye(data).camera, rig.CAMERA["eye-in-hand"])
    assert distance < 0.002


@pytest.mark.parametrize("lens", [FISHEYE, WIDE, rig.LENS], ids=lambda lens: lens.model)
def test_camera_info_keeps_the_model(lens, tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(camera_info_text(lens, "eye"))
    read = read_camera_info(path)
    assert read.model == lens.model
    np.testing.assert_array_equal(read.distortion, lens.distortion)


def coefficients(path, model, count):
    lens = Lens(MATRIX, np.full(count, 0.01), SIZE, model)
    path.write_text(camera_info_text(lens, "eye"))
    return read_camera_info(path)


@pytest.mark.parametrize("count", [8, 12, 14])
def test_every_number_of_coefficients_is_read(count, tmp_path):
    lens = coefficients(tmp_path / "c.yaml", "rational_polynomial", count)
    points = np.array([[0.1, 0.2, 1.0], [-0.3, 0.1, 0.9]])
    np.testing.assert_allclose(lens.rays(lens.project(points)), points / points[:, 2:], atol=1e-5)
    assert len(lens.parameters) == len(lens.names) == 4 + count


def test_few_coefficients_are_plumb_bob_and_others_are_refused(tmp_path):
    for count in (0, 4):
        lens = coefficients(tmp_path / "c.yaml", "plumb_bob", count)
        np.testing.assert_array_equal(lens.distortion, [0.01] * count + [0.0] * (5 - count))
    with pytest.raises(CalibrationError, match=r"'plumb_bob' with 6 coefficients is not read; tho"):
        coefficients(tmp_path / "c.yaml", "plumb_bob", 6)
    with pytest.raises(CalibrationError, match=r"'thin_prism' with 4 coefficients is not read"):
        coefficients(tmp_path / "c.yaml", "thin_prism", 4)


@pytest.mark.parametrize("lens", [rig.LENS, WIDE, FISHEYE], ids=["plumb_bob", *LENSES])
def test_a_squeezed_lens_sees_the_squeezed_image(lens):
    size = (lens.size[0] // 5, lens.size[1] // 3)
    points = np.array([[0.1, -0.05, 0.6], [-0.2, 0.1, 0.5], [0, 0, 1]])
    squeezed = lens.resized(size)
    scale = np.array(size) / lens.size
    expected = (lens.project(points) + 0.5) * scale - 0.5
    assert np.abs(squeezed.project(points) - expected).max() < 1e-9
    assert squeezed.size == size
    assert squeezed.model == lens.model


def test_a_lens_is_squeezed_as_a_camera_is(cell):
    said = cell.camera("overhead")
    lens = Lens(said.matrix, said.distortion, (said.width_px, said.height_px))
    smaller = said.resized(100, 90)
    np.testing.assert_allclose(lens.resized((100, 90)).matrix, smaller.matrix)
