from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import binomtest

from benchmarks import calibration
from calibration.boards import parse_board
from calibration.hand_eye import calibrate_hand_eye
from calibration.hand_eye_data import CornerSighting, HandEyeData, PoseSighting
from calibration.hand_eye_fit import Joints
from calibration.hand_eye_start import SOLVERS
from calibration.intrinsics import calibrate_intrinsics
from pushcell import se3
from pushcell.errors import CalibrationError
from tests.calibration import rig

SETUPS = ("eye-to-hand", "eye-in-hand")
DRAWS = 12  # `pushcell bench calibration` has 200


def off(result, setup):
    """Distance [m] and angle [rad] from the truth."""
    return se3.errors(result.camera, rig.CAMERA[setup])


def with_changed(data, index, twist):
    hands = data.hand_in_base.copy()
    hands[index] = hands[index] @ se3.change(np.array(twist))
    return data.with_hands(hands)


@pytest.mark.parametrize("setup", SETUPS)
def test_rendered_boards_and_noisy_poses_give_the_true_camera(setup, views, poses, charuco):
    lens = calibrate_intrinsics(views).lens
    hands = rig.shaken(rig.hands(setup, poses), np.random.default_rng(0))
    sightings = tuple(CornerSighting.of(view, charuco.corners_m, lens) for view in views.found)
    result = calibrate_hand_eye(HandEyeData(setup, rig.names(20), hands, sightings))
    distance, angle = off(result, setup)
    assert distance < 0.001
    assert angle < np.radians(0.1)
    assert result.outliers == ()
    assert np.sqrt(np.mean(result.left_out_m**2)) < 0.003


@pytest.mark.parametrize("setup", SETUPS)
def test_errors_are_near_the_bound_and_the_covariance_tells_them(setup):
    draws = [calibration.draw(setup, seed) for seed in range(DRAWS)]
    chance = np.sqrt(1 + 3 * np.sqrt(2 / (6 * DRAWS)))
    assert calibration.over_bound(setup, draws) < 1.2 * chance
    assert binomtest(calibration.covered(draws, 0.9), DRAWS, 0.9).pvalue > 0.001
    ours = np.mean([d.off[3:] @ d.off[3:] for d in draws])
    for name in SOLVERS:
        theirs = np.mean([d.solvers[name][3:] @ d.solvers[name][3:] for d in draws])
        assert ours < 1.1 * theirs, name


@pytest.mark.parametrize("setup", SETUPS)
def test_two_planted_outliers_of_25_are_named(setup, charuco):
    for seed in range(3):
        data = rig.corner_data(setup, charuco, np.random.default_rng(seed), 25)
        data = with_changed(data, 4, [0, 0, 0, 0.006, 0, 0])
        data = with_changed(data, 17, np.radians([0, 1.0, 0, 0, 0, 0]))
        result = calibrate_hand_eye(data)
        assert {o.name for o in result.outliers} == {"view 4", "view 17"}
        assert off(result, setup)[0] < 0.0015


def test_flips_of_a_symmetric_board_are_undone():
    board = parse_board("chessboard:7x5:0.03")
    rng = np.random.default_rng(4)
    data = rig.corner_data("eye-in-hand", board, rng)
    flipped = np.arange(20) % 2 == 0
    turned = replace(data, half_turn=board.half_turn).turned(flipped)
    result = calibrate_hand_eye(turned)
    assert result.outliers == ()
    assert off(result, "eye-in-hand")[0] < 0.001
    with pytest.raises(CalibrationError, match="agree"):
        calibrate_hand_eye(replace(turned, half_turn=None))


def test_joint_offsets_are_found(charuco):
    """An arm of which two joints are off; those that the camera can tell are told."""
    rng = np.random.default_rng(6)
    true_offsets = np.radians([0, 0.3, 0, -0.4, 0, 0.2, 0])
    links = [se3.from_rvec(np.pi / 2 * np.eye(3)[i % 2], [0, 0, 0.2]) for i in range(7)]

    def hand_at(q):
        T = np.eye(4)
        for angle, link in zip(q, links, strict=True):
            T = T @ se3.from_rvec([0, 0, angle], np.zeros(3)) @ link
        return T

    q = rng.uniform(-0.8, 0.8, (30, 7))
    setup = "eye-in-hand"
    hands = np.array([hand_at(p + true_offsets) for p in q])
    # The board is wherever it must be to be seen: the truth is one fixed place.
    camera, target = rig.CAMERA[setup], hands[0] @ rig.CAMERA[setup] @ rig.looks(charuco, rng, 1)[0]
    sightings = []
    for hand in hands:
        pose = se3.inverse(hand @ camera) @ target
        sightings.append(PoseSighting(pose @ se3.change(rng.normal(size=6) * 1e-5)))
    data = HandEyeData(setup, rig.names(30), np.array([hand_at(p) for p in q]), tuple(sightings))
    plain = calibrate_hand_eye(data)
    told = calibrate_hand_eye(data, Joints(q, hand_at))
    assert off(told, setup)[0] < 0.2 * off(plain, setup)[0]
    middle = slice(1, 6)
    assert np.abs(told.fit.solution.offsets_rad - true_offsets)[middle].max() < np.radians(0.05)


@pytest.mark.parametrize("step_rad", [0.1, 0.0])
def test_turns_about_one_axis_or_none_are_told(charuco, step_rad):
    data = rig.pose_data("eye-in-hand", charuco, np.random.default_rng(1))
    turns = step_rad * np.arange(20)
    hands = np.array([se3.from_rvec([0, 0, t], [0.5, 0.01 * i, 0.3]) for i, t in enumerate(turns)])
    with pytest.raises(CalibrationError, match="about one axis only"):
        calibrate_hand_eye(data.with_hands(hands))


def test_small_turns_are_warned_of(charuco):
    rng = np.random.default_rng(1)
    poses = rig.looks(charuco, rng, 20, tilt_rad=0.06)
    sightings = tuple(PoseSighting(p) for p in rig.shaken(poses, rng, 1e-5, 1e-5))
    hands = rig.shaken(rig.hands("eye-in-hand", poses), rng, 1e-5, 1e-5)
    result = calibrate_hand_eye(HandEyeData("eye-in-hand", rig.names(20), hands, sightings))
    assert "about its second axis" in result.warnings[0]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda d: d.with_hands(np.roll(d.hand_in_base, 1, axis=0)), "in this order"),
        (lambda d: d.of_other_setup(), "they do fit eye-in-hand"),
        (
            lambda d: d.with_hands(se3.inverse(d.hand_in_base)),
            "the targets are inverted .* the hands are inverted .* or the setup is another",
        ),
        (lambda d: d.of_other_setup(), r"another one \(give --setup eye-in-hand\)"),
        (lambda d: d.subset(np.arange(5)), "only 5 poses"),
        (lambda d: d.with_hands(d.hand_in_base * _MILLIMETRES), "divide millimetres by 1000"),
        (lambda d: d.with_hands(np.swapaxes(d.hand_in_base, 1, 2)), "rows and columns swapped"),
        (
            lambda d: d.with_hands(
                np.where(np.arange(20)[:, None, None] == 3, np.nan, d.hand_in_base)
            ),
            "view 3: not finite",
        ),
    ],
)
def test_bad_poses_are_told(charuco, spoil, problem):
    data = rig.pose_data("eye-in-hand", charuco, np.random.default_rng(2))
    with pytest.raises(CalibrationError, match=problem):
        calibrate_hand_eye(spoil(data))


_MILLIMETRES = np.ones((4, 4))
_MILLIMETRES[:3, 3] = 1000


def test_real_eye_to_hand_pairs(real_data):
    import json

    pairs = np.array(json.loads((real_data / "handeye_moveit" / "pose_samples.json").read_text()))
    sightings = tuple(PoseSighting(target) for target in pairs[:, 1])
    result = calibrate_hand_eye(HandEyeData("eye-to-hand", rig.names(50), pairs[:, 0], sightings))
    rotation = Rotation.from_euler("XYZ", [0.230, -2.540, 1.950]).as_matrix()
    distance, angle = se3.errors(result.camera, se3.transform(rotation, [0.659, -0.249, 0.830]))
    assert distance < 0.0015
    assert angle < np.radians(0.4)


def test_real_eye_in_hand_pairs(real_data):
    folder = real_data / "charuco_realsense" / "poses"
    hands = np.array([np.loadtxt(path) for path in sorted(folder.glob("pose_*.txt"))])
    boards = [np.load(path) for path in sorted(folder.glob("boardpose_*.npz"))]
    sightings = tuple(PoseSighting(se3.from_rvec(b["rvec"], b["tvec"])) for b in boards)
    names = rig.names(len(hands))
    with pytest.raises(CalibrationError, match="divide millimetres"):
        HandEyeData("eye-in-hand", names, hands, sightings)
    hands[:, :3, 3] /= 1000
    result = calibrate_hand_eye(HandEyeData("eye-in-hand", names, hands, sightings))
    assert np.median(result.residual_m) < 0.002
    assert np.sqrt(np.diag(result.covariance))[3:].max() < 0.001


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("scale", [0.97, 1.0, 1.04])
def test_a_board_of_another_size_is_told_by_how_much(setup, scale, charuco):
    """The board is ``scale`` times as large as its description says."""
    seen = rig.corner_data(setup, charuco, np.random.default_rng(6))
    poses = rig.pose_data(setup, charuco, np.random.default_rng(7), 20, 0.001, 0.0005)
    for data in (seen, poses):
        result = calibrate_hand_eye(data.scaled(1 / scale)).scale
        assert abs(result.value - scale) < 4 * result.deviation < 0.02
        if scale == 1.0:
            assert result.problem == ""
        else:
            assert ("smaller" if scale < 1 else "larger") in result.problem
            assert "measure the board's squares" in result.problem
    off_m = np.linalg.norm(calibrate_hand_eye(seen.scaled(1 / scale)).camera[:3, 3]
                           - rig.CAMERA[setup][:3, 3])  # fmt: skip
    assert (off_m > 0.003) == (scale != 1.0), "nothing else would have told it"


@pytest.mark.parametrize("setup", SETUPS)
def test_inverted_targets_are_named_whatever_the_setup(setup, charuco):
    data = rig.pose_data(setup, charuco, np.random.default_rng(8))
    inverted = se3.inverse(data.target_in_camera)
    for said in SETUPS:
        with pytest.raises(CalibrationError, match=r"behind the camera, .* they are inverted"):
            HandEyeData(said, data.names, data.hand_in_base, tuple(map(PoseSighting, inverted)))


@pytest.mark.parametrize("kind", ["pose", "corners"])
def test_the_scale_moves_what_is_expected_as_its_derivative_says(kind, charuco):
    make = rig.pose_data if kind == "pose" else rig.corner_data
    data = make("eye-in-hand", charuco, np.random.default_rng(9), 6)
    sighting, pose, step = data.sightings[2], data.target_in_camera[3], 1e-6
    low, high = (sighting.scaled(1 + s).residual(pose) for s in (-step, step))
    np.testing.assert_allclose(
        -(high - low) / (2 * step), sighting.by_scale(pose)[:, 0], rtol=1e-5, atol=1e-6
    )
